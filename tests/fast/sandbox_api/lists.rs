//! Lists and their members.

use serde_json::{Value, json};

use super::{members, quick, scene};

#[test]
fn a_list_is_created_and_found() {
    let scene = scene(quick());
    let body = json!({"data": {"type": "list", "attributes": {"name": "High \"value\"", "opt_in_process": "single_opt_in"}}});
    let id = scene.post("/api/lists", &body).has(201).id();
    assert_eq!(id.len(), 6);
    let other =
        json!({"data": {"type": "list", "attributes": {"name": "Other", "opt_in_process": null}}});
    let other = scene.post("/api/lists", &other).has(201).id();
    for (filter, found) in [
        (r#"equals(name,"High \"value\"")"#.to_owned(), vec![&id]),
        (format!(r#"any(id,["{id}","{other}"])"#), vec![&id, &other]),
        (format!(r#"equals(id,"{other}"),equals(name,"x")"#), vec![]),
    ] {
        let lists = scene.filtered("/api/lists", &filter, "").has(200);
        assert_eq!(lists.ids().iter().collect::<Vec<_>>(), found, "{filter}");
    }
    let filter = "greater-than(created,2020-01-01T00:00:00Z)";
    assert_eq!(
        scene.filtered("/api/lists", filter, "&sort=-name").ids(),
        [other, id]
    );
    let names: Vec<_> = scene
        .api()
        .lists()
        .into_iter()
        .map(|list| list.name)
        .collect();
    assert_eq!(names, ["High \"value\"", "Other"]);
}

#[test]
fn lists_that_klaviyo_would_not_make_are_refused() {
    let scene = scene(quick());
    for (attributes, pointer) in [
        (json!({}), "/data/attributes/name"),
        (json!({"name": " "}), "/data/attributes/name"),
        (
            json!({"name": "a", "opt_in_process": "none"}),
            "/data/attributes/opt_in_process",
        ),
        (
            json!({"name": "a", "color": "red"}),
            "/data/attributes/color",
        ),
    ] {
        let body = json!({"data": {"type": "list", "attributes": attributes}});
        assert_eq!(scene.post("/api/lists", &body).has(400).source(), pointer);
    }
    let body = json!({"data": {"type": "segment", "attributes": {"name": "a"}}});
    assert_eq!(
        scene.post("/api/lists", &body).has(400).source(),
        "/data/type"
    );
    for number in 0..1000 {
        scene.api().add_list(&number.to_string());
    }
    let body = json!({"data": {"type": "list", "attributes": {"name": "one too many"}}});
    scene.post("/api/lists", &body).has(400);
    assert_eq!(scene.api().lists().len(), 1000);
}

#[test]
fn one_list_tells_its_size_and_its_flows() {
    let scene = scene(quick());
    let list = scene.api().add_list_with_flow("Flowing", "Welcome");
    let path = format!("/api/lists/{list}");
    let plain = scene.get(&path).has(200);
    assert_eq!(plain.body["data"]["attributes"].get("profile_count"), None);
    assert_eq!(plain.body.get("included"), None);
    scene
        .put_on(&list, &scene.people(&["a@x.example"]))
        .has(204);
    let query =
        "?additional-fields%5Blist%5D=profile_count&include=flow-triggers&fields%5Blist%5D=name";
    let full = scene.get(&format!("{path}{query}")).has(200);
    let attributes = &full.body["data"]["attributes"];
    assert_eq!(*attributes, json!({"name": "Flowing", "profile_count": 1}));
    assert_eq!(full.body["included"][0]["attributes"]["name"], "Welcome");
    let flow = &full.body["data"]["relationships"]["flow-triggers"]["data"][0]["id"];
    assert_eq!(full.body["included"][0]["id"], *flow);
    scene.get("/api/lists/nolist").has(404);
}

#[test]
fn a_list_is_deleted_and_its_members_stay_profiles() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    let other = scene.api().add_list("b");
    let people = scene.people(&["a@x.example", "b@x.example"]);
    scene.put_on(&list, &people).has(204);
    scene.put_on(&other, &people).has(204);
    let path = format!("/api/lists/{list}");
    let delete = || scene.send("DELETE", &path, &[], None).unwrap();
    delete().has(204);
    scene.get(&path).has(404);
    delete().has(404);
    scene.put_on(&list, &people).has(404);
    assert_eq!(scene.get("/api/lists").has(200).ids(), [other.as_str()]);
    assert_eq!(scene.api().members(&other).len(), 2);
    assert_eq!(scene.api().profiles().len(), 2);
}

#[test]
fn pages_of_lists_hold_ten() {
    let scene = scene(quick());
    let made: Vec<_> = (0..23)
        .map(|n| scene.api().add_list(&n.to_string()))
        .collect();
    let (ids, sizes) = scene.all_ids("/api/lists");
    assert_eq!((ids, sizes), (made, vec![10, 10, 3]));
    for size in ["0", "11", "x"] {
        let path = format!("/api/lists?page%5Bsize%5D={size}");
        assert_eq!(scene.get(&path).has(400).source(), "page[size]");
    }
    let path = "/api/lists?page%5Bcursor%5D=12";
    assert_eq!(scene.get(path).has(400).source(), "page[cursor]");
    assert_eq!(scene.get("/api/lists?limit=5").has(400).source(), "limit");
}

#[test]
fn members_come_and_go() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    let people = scene.people(&["a@x.example", "b@x.example", "c@x.example"]);
    scene.put_on(&list, &people).has(204);
    scene.put_on(&list, &people[..1]).has(204);
    let path = format!("/api/lists/{list}/relationships/profiles");
    assert_eq!(scene.get(&path).has(200).ids(), people);
    scene.delete(&path, &members(&people[1..2])).has(204);
    // Once more is no error: a retry after a lost reply is safe.
    scene.delete(&path, &members(&people[1..2])).has(204);
    let left = scene.get(&format!("{path}?sort=-joined_group_at")).has(200);
    assert_eq!(left.ids(), [&people[2], &people[0]].map(Clone::clone));
    let emails: Vec<_> = scene.api().members(&list);
    let emails: Vec<_> = emails.iter().map(|it| it.text("email").unwrap()).collect();
    assert_eq!(emails, ["a@x.example", "c@x.example"]);
    // The profile itself stays.
    assert_eq!(scene.api().profiles().len(), 3);
}

#[test]
fn members_are_all_or_nothing() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    let path = format!("/api/lists/{list}/relationships/profiles");
    let mut people = scene.people(&["a@x.example"]);
    people.push("01GDDKASAP8TKDDA2GRZDSVP4H".to_owned());
    let refused = scene.post(&path, &members(&people)).has(404);
    assert_eq!(refused.source(), "/data/1/id");
    assert_eq!(scene.api().members(&list), []);
    for ids in [vec![], vec![people[0].clone(); 1001]] {
        assert_eq!(scene.post(&path, &members(&ids)).has(400).source(), "/data");
        assert_eq!(
            scene.delete(&path, &members(&ids)).has(400).source(),
            "/data"
        );
    }
    scene.put_on(&list, &vec![people[0].clone(); 1000]).has(204);
    scene.put_on("nolist", &people[..1]).has(404);
    let wrong = json!({"data": [{"type": "list", "id": people[0]}]});
    assert_eq!(scene.post(&path, &wrong).has(400).source(), "/data/0");
}

#[test]
fn members_are_read_by_pages_and_found() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    let emails: Vec<_> = (0..45).map(|n| format!("p{n}@x.example")).collect();
    let emails: Vec<_> = emails.iter().map(String::as_str).collect();
    let people = scene.people(&emails);
    scene.put_on(&list, &people).has(204);
    let ids = format!("/api/lists/{list}/relationships/profiles");
    let full = format!("/api/lists/{list}/profiles");
    for path in [&ids, &full] {
        assert_eq!(scene.all_ids(path), (people.clone(), vec![20, 20, 5]));
        let path = format!("{path}?page%5Bsize%5D=30&sort=-joined_group_at");
        let (mut back, sizes) = scene.all_ids(&path);
        back.reverse();
        assert_eq!((back, sizes), (people.clone(), vec![30, 15]));
    }
    let found = scene.filtered(
        &full,
        r#"any(email,["P7@X.example","none@x.example","p3@x.example"])"#,
        "",
    );
    assert_eq!(
        found.has(200).ids(),
        [&people[3], &people[7]].map(Clone::clone)
    );
    let filter =
        r#"equals(email,"p3@x.example"),greater-than(joined_group_at,2020-01-01T00:00:00Z)"#;
    let one = scene
        .filtered(&full, filter, "&fields%5Bprofile%5D=email")
        .has(200);
    let attributes = one.body["data"][0]["attributes"].as_object().unwrap();
    assert_eq!(attributes.len(), 2);
    assert!(attributes["joined_group_at"].is_string());
    let refused = scene
        .filtered(&full, r#"equals(external_id,"1")"#, "")
        .has(400);
    assert_eq!(refused.source(), "filter");
    scene.get(&format!("{full}?page%5Bsize%5D=101")).has(400);
    assert_eq!(
        one.body["data"][0]["attributes"]["email"],
        Value::from("p3@x.example")
    );
}
