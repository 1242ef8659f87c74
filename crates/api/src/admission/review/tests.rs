//! Answers of webhooks.

use super::*;
use expect_test::expect;
use std::fmt::Write as _;

fn review(response: Value) -> Value {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

#[test]
fn answers() {
    // `[{"op":"remove","path":"/a"}]`
    let patch = "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=";
    let mut beta = review(json!({ "allowed": true, "patch": patch }));
    beta["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let (v1, v1beta1) = (Version::V1, Version::V1Beta1);
    let cases = [
        (v1, true, json!({})),
        (v1, true, json!({ "response": [] })),
        (v1, true, review(json!({ "uid": "u", "allowed": true }))),
        (v1, true, review(json!({ "uid": "other", "allowed": true }))),
        (v1, true, review(json!({ "allowed": true }))),
        (v1, true, json!({ "response": { "uid": "u", "allowed": true } })),
        (
            v1,
            true,
            json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "response": { "uid": "u" } }),
        ),
        (v1, true, review(json!({ "uid": "u", "allowed": true, "patch": patch, "patchType": "JSONPatch" }))),
        (v1, true, review(json!({ "uid": "u", "allowed": true, "patch": patch }))),
        (v1, true, review(json!({ "uid": "u", "allowed": true, "patchType": "JSONPatch" }))),
        (v1, true, review(json!({ "uid": "u", "allowed": true, "patch": patch, "patchType": "" }))),
        (v1, true, review(json!({ "uid": "u", "allowed": true, "patch": "%%", "patchType": "JSONPatch" }))),
        (v1, false, review(json!({ "uid": "u", "allowed": true, "patch": patch, "patchType": "JSONPatch" }))),
        (v1, false, review(json!({ "uid": "u", "allowed": true, "patchType": "JSONPatch" }))),
        (
            v1,
            false,
            review(json!({ "uid": "u", "allowed": false, "status": { "message": "no" }, "warnings": ["w"] })),
        ),
        (v1beta1, true, beta.clone()),
        (v1beta1, false, beta),
        (v1beta1, true, json!({ "response": { "allowed": true } })),
    ];
    let mut text = String::new();
    for (version, mutating, answer) in cases {
        let role = if mutating { "mutating" } else { "validating" };
        match read(version, "u", mutating, &answer) {
            Ok(Verdict { allowed, result, patch, patch_type, warnings }) => {
                let patch = String::from_utf8_lossy(&patch).into_owned();
                writeln!(text, "{role} {answer}: {allowed} {result} {patch_type} {patch} {warnings:?}")
            }
            Err(why) => writeln!(text, "{role} {answer}: {why}"),
        }
        .expect("text");
    }
    expect![[r#"
        mutating {}: webhook response was absent
        mutating {"response":[]}: webhook response was absent
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true}}: true null   []
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"other","allowed":true}}: expected response.uid="u", got "other"
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"allowed":true}}: expected response.uid="u", got ""
        mutating {"response":{"uid":"u","allowed":true}}: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=
        mutating {"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"u"}}: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1beta1, Kind=AdmissionReview
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=","patchType":"JSONPatch"}}: true null JSONPatch [{"op":"remove","path":"/a"}] []
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0="}}: webhook returned response.patch but not response.patchType
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patchType":"JSONPatch"}}: webhook returned response.patchType but not response.patch
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=","patchType":""}}: webhook returned invalid response.patchType of ""
        mutating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"%%","patchType":"JSONPatch"}}: response.patch is not base64: Invalid symbol 37, offset 0.
        validating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=","patchType":"JSONPatch"}}: validating webhook may not return response.patch
        validating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patchType":"JSONPatch"}}: validating webhook may not return response.patchType
        validating {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":false,"status":{"message":"no"},"warnings":["w"]}}: false {"message":"no"}   ["w"]
        mutating {"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0="}}: true null JSONPatch [{"op":"remove","path":"/a"}] []
        validating {"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"allowed":true,"patch":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0="}}: true null JSONPatch  []
        mutating {"response":{"allowed":true}}: true null JSONPatch  []
    "#]].assert_eq(&text);
}

#[test]
fn refusals() {
    let mut text = String::new();
    for result in [
        Value::Null,
        json!({}),
        json!({ "message": "not on a Friday" }),
        json!({ "message": "not on a Friday", "code": 403, "reason": "Forbidden" }),
        json!({ "code": 200, "message": "?" }),
        json!({ "reason": "TooLate" }),
        json!({ "status": "Success", "code": 422, "message": "m", "details": { "causes": [{ "field": "f" }] } }),
    ] {
        writeln!(text, "{result}: {}", refusal("deny.example.com", &result).status()).expect("text");
    }
    expect![[r#"
        null: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request without explanation","code":400}
        {}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request without explanation","code":400}
        {"message":"not on a Friday"}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: not on a Friday","code":400}
        {"message":"not on a Friday","code":403,"reason":"Forbidden"}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: not on a Friday","reason":"Forbidden","code":403}
        {"code":200,"message":"?"}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: ?","code":400}
        {"reason":"TooLate"}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: TooLate","reason":"TooLate","code":400}
        {"status":"Success","code":422,"message":"m","details":{"causes":[{"field":"f"}]}}: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"deny.example.com\" denied the request: m","details":{"causes":[{"field":"f"}]},"code":422}
    "#]].assert_eq(&text);
}

#[test]
fn answers_that_are_no_success() {
    let mut text = String::new();
    for (code, body) in [
        (404, "404 page not found"),
        (500, "boom\n"),
        (503, ""),
        (403, "no entry"),
        (302, ""),
        (500, r#"{"kind":"Status","message":"a status"}"#),
    ] {
        writeln!(text, "{code} {body:?}: {}", of_status(code, body.as_bytes())).expect("text");
    }
    expect![[r#"
        404 "404 page not found": the server could not find the requested resource
        500 "boom\n": an error on the server ("boom") has prevented the request from succeeding
        503 "": the server is currently unable to handle the request
        403 "no entry": no entry
        302 "": the server responded with the status code 302 but did not return more information
        500 "{\"kind\":\"Status\",\"message\":\"a status\"}": a status
    "#]]
    .assert_eq(&text);
}
