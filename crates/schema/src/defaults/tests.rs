use super::apply;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn check(resource: &str, mut object: Value, expected: Expect) {
    apply(resource, &mut object);
    expected.assert_eq(&serde_json::to_string_pretty(&object).expect("JSON"));
    let once = object.clone();
    apply(resource, &mut object);
    assert_eq!(object, once, "defaults are idempotent");
}

#[test]
fn pods() {
    check(
        "pods",
        json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{
            "hostNetwork": true, "nodeName": null,
            "containers":[
                {"name":"c","image":"nginx","ports":[{"containerPort":80}],
                 "resources":{"limits":{"cpu":0.5,"memory":"1024Mi"},"requests":{"cpu":"100m"}},
                 "env":[{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],
                 "livenessProbe":{"httpGet":{"port":80},"failureThreshold":7},
                 "lifecycle":{"preStop":{"httpGet":{"port":80}}}},
                {"name":"d","image":"host:5000/a/b:1.2"},
                {"name":"e","image":"host:5000/a/b"},
                {"name":"f","image":"a@sha256:00"}],
            "volumes":[{"name":"v"},{"name":"w","configMap":{"name":"x"}},{"name":"y","hostPath":{"path":"/y"}},
                {"name":"z","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]}}),
        expect![[r#"
            {
              "apiVersion": "v1",
              "kind": "Pod",
              "metadata": {
                "name": "a"
              },
              "spec": {
                "hostNetwork": true,
                "containers": [
                  {
                    "name": "c",
                    "image": "nginx",
                    "ports": [
                      {
                        "containerPort": 80,
                        "protocol": "TCP",
                        "hostPort": 80
                      }
                    ],
                    "resources": {
                      "limits": {
                        "cpu": "500m",
                        "memory": "1Gi"
                      },
                      "requests": {
                        "cpu": "100m",
                        "memory": "1Gi"
                      }
                    },
                    "env": [
                      {
                        "name": "IP",
                        "valueFrom": {
                          "fieldRef": {
                            "fieldPath": "status.podIP",
                            "apiVersion": "v1"
                          }
                        }
                      }
                    ],
                    "livenessProbe": {
                      "httpGet": {
                        "port": 80,
                        "path": "/",
                        "scheme": "HTTP"
                      },
                      "failureThreshold": 7,
                      "timeoutSeconds": 1,
                      "periodSeconds": 10,
                      "successThreshold": 1
                    },
                    "lifecycle": {
                      "preStop": {
                        "httpGet": {
                          "port": 80,
                          "path": "/",
                          "scheme": "HTTP"
                        }
                      }
                    },
                    "imagePullPolicy": "Always",
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"
                  },
                  {
                    "name": "d",
                    "image": "host:5000/a/b:1.2",
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"
                  },
                  {
                    "name": "e",
                    "image": "host:5000/a/b",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"
                  },
                  {
                    "name": "f",
                    "image": "a@sha256:00",
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"
                  }
                ],
                "volumes": [
                  {
                    "name": "v",
                    "emptyDir": {}
                  },
                  {
                    "name": "w",
                    "configMap": {
                      "name": "x",
                      "defaultMode": 420
                    }
                  },
                  {
                    "name": "y",
                    "hostPath": {
                      "path": "/y",
                      "type": ""
                    }
                  },
                  {
                    "name": "z",
                    "projected": {
                      "sources": [
                        {
                          "serviceAccountToken": {
                            "path": "t",
                            "expirationSeconds": 3600
                          }
                        }
                      ],
                      "defaultMode": 420
                    }
                  }
                ],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
                "enableServiceLinks": true
              }
            }"#]],
    );
}

#[test]
fn deployments() {
    check(
        "apps/deployments",
        json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{
            "selector":{"matchLabels":{"a":"b"}},"strategy":{},
            "template":{"metadata":{"labels":{"a":"b"}},"spec":{"serviceAccountName":"me","containers":[{"name":"c","image":"i:1"}]}}}}),
        expect![[r#"
            {
              "apiVersion": "apps/v1",
              "kind": "Deployment",
              "metadata": {
                "name": "a"
              },
              "spec": {
                "selector": {
                  "matchLabels": {
                    "a": "b"
                  }
                },
                "strategy": {
                  "type": "RollingUpdate",
                  "rollingUpdate": {
                    "maxUnavailable": "25%",
                    "maxSurge": "25%"
                  }
                },
                "template": {
                  "metadata": {
                    "labels": {
                      "a": "b"
                    }
                  },
                  "spec": {
                    "serviceAccountName": "me",
                    "containers": [
                      {
                        "name": "c",
                        "image": "i:1",
                        "imagePullPolicy": "IfNotPresent",
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File"
                      }
                    ],
                    "restartPolicy": "Always",
                    "terminationGracePeriodSeconds": 30,
                    "dnsPolicy": "ClusterFirst",
                    "securityContext": {},
                    "schedulerName": "default-scheduler",
                    "serviceAccount": "me"
                  }
                },
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600
              }
            }"#]],
    );
}

#[test]
fn services() {
    check(
        "services",
        json!({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"type":"LoadBalancer","ports":[{"port":80},{"port":81,"targetPort":"http","protocol":"UDP"}]}}),
        expect![[r#"
            {
              "apiVersion": "v1",
              "kind": "Service",
              "metadata": {
                "name": "a"
              },
              "spec": {
                "type": "LoadBalancer",
                "ports": [
                  {
                    "port": 80,
                    "protocol": "TCP",
                    "targetPort": 80
                  },
                  {
                    "port": 81,
                    "targetPort": "http",
                    "protocol": "UDP"
                  }
                ],
                "sessionAffinity": "None",
                "externalTrafficPolicy": "Cluster",
                "internalTrafficPolicy": "Cluster",
                "ipFamilies": [
                  "IPv4"
                ],
                "ipFamilyPolicy": "SingleStack",
                "allocateLoadBalancerNodePorts": true
              },
              "status": {
                "loadBalancer": {}
              }
            }"#]],
    );
}

#[test]
fn jobs() {
    check(
        "batch/jobs",
        json!({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","uid":"u"},"spec":{"template":{"spec":{"containers":[],"restartPolicy":"Never"}}}}),
        expect![[r#"
            {
              "apiVersion": "batch/v1",
              "kind": "Job",
              "metadata": {
                "name": "a",
                "uid": "u",
                "labels": {
                  "batch.kubernetes.io/controller-uid": "u",
                  "batch.kubernetes.io/job-name": "a",
                  "controller-uid": "u",
                  "job-name": "a"
                }
              },
              "spec": {
                "template": {
                  "spec": {
                    "containers": [],
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 30,
                    "dnsPolicy": "ClusterFirst",
                    "securityContext": {},
                    "schedulerName": "default-scheduler"
                  },
                  "metadata": {
                    "labels": {
                      "batch.kubernetes.io/controller-uid": "u",
                      "batch.kubernetes.io/job-name": "a",
                      "controller-uid": "u",
                      "job-name": "a"
                    }
                  }
                },
                "completions": 1,
                "parallelism": 1,
                "backoffLimit": 6,
                "completionMode": "NonIndexed",
                "suspend": false,
                "podReplacementPolicy": "TerminatingOrFailed",
                "selector": {
                  "matchLabels": {
                    "batch.kubernetes.io/controller-uid": "u"
                  }
                }
              }
            }"#]],
    );
}

#[test]
fn others() {
    check(
        "secrets",
        json!({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"a":"eA=="},"stringData":{"a":"y","b":"z"}}),
        expect![[r#"
            {
              "apiVersion": "v1",
              "kind": "Secret",
              "metadata": {
                "name": "a"
              },
              "data": {
                "a": "eQ==",
                "b": "eg=="
              },
              "type": "Opaque"
            }"#]],
    );
    check(
        "namespaces",
        json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}),
        expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Namespace",
          "metadata": {
            "name": "a",
            "labels": {
              "kubernetes.io/metadata.name": "a"
            }
          },
          "spec": {
            "finalizers": [
              "kubernetes"
            ]
          },
          "status": {
            "phase": "Active"
          }
        }"#]],
    );
    check(
        "persistentvolumeclaims",
        json!({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"a"},"spec":{"resources":{"requests":{"storage":"1024Mi"}},"accessModes":["ReadWriteOnce"]}}),
        expect![[r#"
            {
              "apiVersion": "v1",
              "kind": "PersistentVolumeClaim",
              "metadata": {
                "name": "a"
              },
              "spec": {
                "resources": {
                  "requests": {
                    "storage": "1Gi"
                  }
                },
                "accessModes": [
                  "ReadWriteOnce"
                ],
                "volumeMode": "Filesystem"
              },
              "status": {
                "phase": "Pending"
              }
            }"#]],
    );
    check(
        "apiextensions.k8s.io/customresourcedefinitions",
        json!({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"as.x"},"spec":{"group":"x","names":{"kind":"AThing","plural":"as"}}}),
        expect![[r#"
            {
              "apiVersion": "apiextensions.k8s.io/v1",
              "kind": "CustomResourceDefinition",
              "metadata": {
                "name": "as.x"
              },
              "spec": {
                "group": "x",
                "names": {
                  "kind": "AThing",
                  "plural": "as",
                  "singular": "athing",
                  "listKind": "AThingList"
                },
                "conversion": {
                  "strategy": "None"
                }
              }
            }"#]],
    );
}

#[test]
fn what_may_be_asked_for() {
    let mut object = json!({"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Mi"}},{"type":"Pod","max":{"cpu":"4"}}]}});
    apply("limitranges", &mut object);
    let expected = json!({"spec":{"limits":[
        {"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Mi"},"default":{"cpu":"2"},"defaultRequest":{"cpu":"2","memory":"1Mi"}},
        {"type":"Pod","max":{"cpu":"4"}}]}});
    assert_eq!(object, expected);
}

#[test]
fn rules_of_scaling() {
    let mut object = json!({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","spec":{"maxReplicas":3,"behavior":{"scaleDown":{"stabilizationWindowSeconds":60}}}});
    apply("autoscaling/horizontalpodautoscalers", &mut object);
    let expected = json!({
        "scaleDown":{"stabilizationWindowSeconds":60,"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]},
        "scaleUp":{"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}],"stabilizationWindowSeconds":0}});
    assert_eq!(object["spec"]["behavior"], expected);
}

#[test]
fn policies_of_admission() {
    let mut object = json!({"spec":{"matchConstraints":{"resourceRules":[{"operations":["*"]}]}}});
    apply("admissionregistration.k8s.io/validatingadmissionpolicies", &mut object);
    let expected = json!({"spec":{"failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"operations":["*"],"scope":"*"}],"matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{}}}});
    assert_eq!(object, expected);
}
