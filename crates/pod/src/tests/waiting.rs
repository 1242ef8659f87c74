//! What a pod waits for before it can start.

use super::*;

#[test]
fn what_is_missing_is_waited_for_by_watch() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.image("app");
    life.log.clear();
    let message = "configmap \"conf\" not found".to_string();
    life.give(Event::StartFailed { container: "app".into(), failure: StartFailure::Config, message });
    life.brief();
    life.wait(1);
    life.note("(it appears)");
    life.give(Event::ObjectsChanged);
    life.started("app", 0);
    life.brief();
    life.expect(expect![[r#"
        0s   ! [app] Failed: Error: configmap "conf" not found
        0s   = Pending; app: waiting CreateContainerConfigError x0
        1s   (it appears)
        1s   -> start u_app_0
        1s   [app] Created: Container created
        1s   [app] Started: Container started
        1s   = Running; app: running ready x0
    "#]]);
}

#[test]
fn images_that_cannot_be_pulled() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.log.clear();
    let failed = || Event::ImageFailed {
        container: "app".into(),
        failure: ImageFailure::Pull,
        message: "no route".into(),
    };
    life.give(failed());
    life.brief();
    life.wait(10);
    life.brief();
    life.give(failed());
    life.note("(the image is corrected)");
    life.give(Event::Spec(Arc::new(pod_object(
        json!({"containers": [container(json!({"image": "app:2"}))]}),
    ))));
    life.expect(expect![[r#"
        0s   ! [app] Failed: Failed to pull image "app:1": no route
        0s   ! [app] Failed: Error: ErrImagePull
        0s   = Pending; app: waiting ErrImagePull x0
        2s   [app] BackOff: Back-off pulling image "app:1"
        2s   ! [app] Failed: Error: ImagePullBackOff
        10s  -> image app:1 IfNotPresent
        10s  = Pending; app: waiting ImagePullBackOff x0
        10s  ! [app] Failed: Failed to pull image "app:1": no route
        10s  ! [app] Failed: Error: ErrImagePull
        10s  (the image is corrected)
        10s  -> image app:2 IfNotPresent
    "#]]);
}
