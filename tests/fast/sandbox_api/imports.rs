//! Files that land in `/profiles` by SFTP become profiles and members.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use klaviyo_export_sandbox::api::{ApiSettings, Imported};
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::json;

use super::{Scene, quick, scene, wait_for};

fn put(scene: &Scene, path: &str, text: &str) {
    let mut session = ssh2::Session::new().unwrap();
    session.set_timeout(10_000);
    session.set_tcp_stream(TcpStream::connect(scene.sandbox.address()).unwrap());
    session.handshake().unwrap();
    let key = scene.sandbox.private_key();
    session
        .userauth_pubkey_file(scene.sandbox.username(), None, key, None)
        .unwrap();
    let sftp = session.sftp().unwrap();
    let mut file = sftp.create(Path::new(path)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.close().unwrap();
}

#[test]
fn an_upload_is_imported_and_put_on_its_list() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    scene.people(&["ann@x.example"]);
    let rows = format!(
        "Email,PhoneNumber,FirstName,City,Tier,List ID\n\
         ANN@x.example,,Ann,Oslo,gold,{list}\nbob@x.example,+15005550006,,,3,nolist\nbad,,,,,{list}\n"
    );
    put(&scene, "/profiles/a.csv", &rows);
    put(&scene, "/events/a.csv", &rows);
    let imports = wait_for(|| Some(scene.api().imports()).filter(|it| !it.is_empty()));
    let expected = Imported {
        name: "a.csv".to_owned(),
        profiles: 2,
        skipped: 1,
        unlisted: 1,
    };
    assert_eq!(imports, [expected]);
    let profiles = scene.api().profiles();
    assert_eq!(profiles[0].text("first_name"), Some("Ann"));
    assert_eq!(profiles[1].property("Tier"), Some(&json!(3)));
    assert_eq!(scene.api().members(&list), profiles[..1]);
    // Blank cells leave what is there.
    put(
        &scene,
        "/profiles/b.csv",
        "Email,FirstName\nann@x.example,\n",
    );
    wait_for(|| (scene.api().imports().len() == 2).then_some(()));
    assert_eq!(scene.api().profiles()[0].text("first_name"), Some("Ann"));
}

#[test]
fn an_import_takes_its_time_even_when_the_file_was_collected() {
    let scene = scene(ApiSettings {
        import_delay: Duration::from_millis(300),
        ..quick()
    });
    scene
        .sandbox
        .set_faults(Faults::none().once(Fault::Collect));
    put(&scene, "/profiles/a.csv", "Email\na@x.example\n");
    assert_eq!(scene.api().profiles(), []);
    let filter = r#"equals(email,"a@x.example")"#;
    wait_for(|| {
        let found = scene.filtered("/api/profiles", filter, "").has(200);
        (found.ids().len() == 1).then_some(())
    });
}
