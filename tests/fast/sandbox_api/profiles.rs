//! Single profiles.

use klaviyo_export_sandbox::api::EmailStanding;
use serde_json::{Value, json};

use super::{profile, quick, scene};

#[test]
fn a_profile_is_created_once() {
    let scene = scene(quick());
    let ann = profile(&json!({
        "email": "Ann@x.example", "phone_number": "+15005550006", "external_id": "a",
        "first_name": "Ann", "location": {"city": "Oslo", "latitude": 59.9}, "properties": {"tier": "gold"},
    }));
    let created = scene.post("/api/profiles", &ann).has(201);
    assert_eq!(created.id().len(), 26);
    for identifier in [
        json!({"email": "ann@X.example"}),
        json!({"phone_number": "+15005550006"}),
        json!({"external_id": "a", "email": "new@x.example"}),
    ] {
        let refused = scene.post("/api/profiles", &profile(&identifier)).has(409);
        let duplicate = &refused.body["errors"][0]["meta"]["duplicate_profile_id"];
        assert_eq!(*duplicate, Value::from(created.id()));
    }
    let path = format!("/api/profiles/{}", created.id());
    let read = scene.get(&path).has(200);
    assert_eq!(read.body["data"]["attributes"]["location"]["city"], "Oslo");
    scene
        .get("/api/profiles/01GDDKASAP8TKDDA2GRZDSVP4H")
        .has(404);
}

#[test]
fn bad_profiles_are_refused_and_the_pointer_says_where() {
    let scene = scene(quick());
    for (attributes, pointer) in [
        (json!({"first_name": "A"}), "/data/attributes"),
        (json!({"email": "a@b"}), "/data/attributes/email"),
        (json!({"email": 5}), "/data/attributes/email"),
        (
            json!({"phone_number": "0500"}),
            "/data/attributes/phone_number",
        ),
        (
            json!({"email": "a@b.example", "name": "A"}),
            "/data/attributes/name",
        ),
        (
            json!({"email": "a@b.example", "location": {"town": "A"}}),
            "/data/attributes/location/town",
        ),
        (
            json!({"email": "a@b.example", "properties": []}),
            "/data/attributes/properties",
        ),
    ] {
        for path in ["/api/profiles", "/api/profile-import"] {
            let refused = scene.post(path, &profile(&attributes)).has(400);
            assert_eq!(refused.source(), pointer);
        }
    }
    let large = json!({"email": "a@b.example", "properties": {"x": "y".repeat(100_000)}});
    scene.post("/api/profiles", &profile(&large)).has(413);
    assert_eq!(scene.api().profiles(), []);
}

#[test]
fn an_update_clears_with_null_and_leaves_the_rest() {
    let scene = scene(quick());
    let [ann, bob] = &scene.people(&["ann@x.example", "bob@x.example"])[..] else {
        panic!("two people")
    };
    let path = format!("/api/profiles/{ann}");
    let update = |attributes: Value| {
        let body = json!({"data": {"type": "profile", "id": ann, "attributes": attributes}});
        scene.patch(&path, &body)
    };
    update(json!({"title": "Dr", "properties": {"a": 1, "b": 2}})).has(200);
    let after = update(json!({"title": null, "properties": {"a": null}})).has(200);
    let attributes = &after.body["data"]["attributes"];
    assert_eq!(
        (&attributes["title"], &attributes["properties"]),
        (&Value::Null, &json!({"b": 2}))
    );
    let refused = update(json!({"email": "BOB@x.example"})).has(409);
    assert_eq!(
        refused.body["errors"][0]["meta"]["duplicate_profile_id"],
        Value::from(bob.clone())
    );
    update(json!({"email": null})).has(400);
    let other = json!({"data": {"type": "profile", "id": bob, "attributes": {}}});
    assert_eq!(scene.patch(&path, &other).has(400).source(), "/data/id");
}

#[test]
fn profile_import_creates_or_updates() {
    let scene = scene(quick());
    let import = |attributes: Value| scene.post("/api/profile-import", &profile(&attributes));
    let ann = import(json!({"email": "ann@x.example", "title": "Dr"}))
        .has(201)
        .id();
    let again =
        import(json!({"email": "ANN@x.example", "title": null, "phone_number": "+15005550006"}));
    let again = again.has(200);
    assert_eq!(
        (again.id(), &again.body["data"]["attributes"]["title"]),
        (ann.clone(), &Value::Null)
    );
    import(json!({"email": "bob@x.example"})).has(201);
    // Ann's number with Bob's address is no one's.
    import(json!({"email": "bob@x.example", "phone_number": "+15005550006"})).has(409);
    let patch = json!({"data": {"type": "profile", "id": ann, "attributes": {"properties": {"tags": ["a"]}},
        "meta": {"patch_properties": {"append": {"tags": "b"}}}}});
    let patched = scene.post("/api/profile-import", &patch).has(200);
    assert_eq!(
        patched.body["data"]["attributes"]["properties"]["tags"],
        json!(["a", "b"])
    );
}

#[test]
fn an_old_phone_number_is_told_and_found_as_it_is_stored() {
    let scene = scene(quick());
    let stored = "(212) 555-0143";
    let id = scene.api().add_profile(&[("phone_number", stored)]);
    let list = scene.api().add_list("a");
    scene.put_on(&list, std::slice::from_ref(&id)).has(204);
    let path = format!("/api/lists/{list}/profiles");
    let told = scene.get(&path).has(200);
    assert_eq!(
        told.body["data"][0]["attributes"]["phone_number"],
        Value::from(stored)
    );
    for (number, found) in [(stored, vec![id.clone()]), ("+12125550143", vec![])] {
        let filter = format!("any(phone_number,[\"{number}\"])");
        let reply = scene.filtered("/api/profiles", &filter, "").has(200);
        assert_eq!(reply.ids(), found, "{number}");
    }
    // A call cannot make one.
    let body = profile(&json!({"phone_number": stored}));
    scene.post("/api/profiles", &body).has(400);
}

#[test]
fn profiles_are_found_by_their_identifiers() {
    let scene = scene(quick());
    let people: Vec<_> = (0..120)
        .map(|n| {
            let body = profile(&json!({
                "email": format!("p{n}@x.example"), "external_id": format!("c-{n}"),
                "phone_number": format!("+1500555{n:04}"),
            }));
            scene.post("/api/profiles", &body).has(201).id()
        })
        .collect();
    for (filter, found) in [
        (
            r#"any(email,["P5@x.example","nobody@x.example"])"#.to_owned(),
            vec![5],
        ),
        (r#"equals(phone_number,"+15005550007")"#.to_owned(), vec![7]),
        (r#"any(external_id,["c-9","c-2"])"#.to_owned(), vec![2, 9]),
        (format!(r#"any(id,["{}"])"#, people[3]), vec![3]),
        (
            r#"equals(email,"p5@x.example"),equals(external_id,"c-6")"#.to_owned(),
            vec![],
        ),
    ] {
        let found: Vec<_> = found
            .into_iter()
            .map(|n: usize| people[n].clone())
            .collect();
        let path = "/api/profiles";
        assert_eq!(
            scene.filtered(path, &filter, "").has(200).ids(),
            found,
            "{filter}"
        );
    }
    let (ids, sizes) = scene.all_ids("/api/profiles?page%5Bsize%5D=100&sort=created");
    assert_eq!((ids, sizes), (people.clone(), vec![100, 20]));
    let path = "/api/profiles?fields%5Bprofile%5D=email,external_id&page%5Bsize%5D=1";
    let sparse = &scene.get(path).has(200).body["data"][0]["attributes"];
    assert_eq!(
        *sparse,
        json!({"email": "p0@x.example", "external_id": "c-0"})
    );
    let list = scene.api().add_list("a");
    scene.put_on(&list, &people[..1]).has(204);
    let path = format!("/api/profiles/{}?include=lists", people[0]);
    assert_eq!(
        scene.get(&path).has(200).body["included"][0]["id"],
        Value::from(list)
    );
}

#[test]
fn a_profile_tells_whether_it_gets_email_where_that_is_asked_for() {
    let scene = scene(quick());
    let stands = |email: &str, standing| scene.api().set_email_standing(email, standing);
    scene.people(&["ann@x.example", "bob@x.example"]);
    stands("ANN@x.example", EmailStanding::Unsubscribed);
    stands("eve@x.example", EmailStanding::Suppressed("HARD_BOUNCE"));
    let path = "/api/profiles?additional-fields%5Bprofile%5D=subscriptions";
    let marketing = |path: &str| -> Vec<Value> {
        let reply = scene.get(path).has(200);
        let profiles = reply.body["data"].as_array().unwrap();
        let subscriptions = profiles.iter().map(|it| &it["attributes"]["subscriptions"]);
        subscriptions
            .map(|it| it["email"]["marketing"].clone())
            .collect()
    };
    let told = marketing(path);
    let may: Vec<&Value> = told
        .iter()
        .map(|it| &it["can_receive_email_marketing"])
        .collect();
    assert_eq!(may, [false, true, false]);
    assert_eq!(told[0]["suppression"][0]["reason"], "UNSUBSCRIBE");
    assert_eq!(told[2]["suppression"][0]["reason"], "HARD_BOUNCE");
    let fields = ["can_receive_email_marketing", "consent"]
        .map(|field| format!("subscriptions.email.marketing.{field}"))
        .join(",");
    assert_eq!(
        marketing(&format!("{path}&fields%5Bprofile%5D={fields}"))[1],
        json!({"can_receive_email_marketing": true, "consent": "NEVER_SUBSCRIBED"})
    );
    // What nobody asks for is not told, and what there is not is refused.
    assert_eq!(
        marketing("/api/profiles"),
        [Value::Null, Value::Null, Value::Null]
    );
    for bad in [
        "/api/profiles?fields%5Bprofile%5D=subscriptions".to_owned(),
        format!("{path}&fields%5Bprofile%5D=subscriptions.fax"),
    ] {
        scene.get(&bad).has(400);
    }
}
