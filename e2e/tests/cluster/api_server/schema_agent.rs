//! What the API server refuses of an Agent, and in which words. Only dry runs: nothing is made.

use serde_json::{Value, json};

use super::stage::{Server, agent, merged, provider};

/// The Agent with these fields is refused with these words.
pub(super) async fn refused(server: &Server, spec: Value, words: &str) {
    let object = merged(agent("a"), json!({"spec": spec}));
    let said = server.dry_run(&object).await.expect_err(&format!("{object} was accepted"));
    assert!(said.contains(words), "{object} was refused, but in other words: {said}");
}

pub(super) async fn accepted(server: &Server, spec: Value) {
    let object = merged(agent("a"), json!({"spec": spec}));
    server.dry_run(&object).await.unwrap_or_else(|said| panic!("{object} was refused: {said}"));
}

#[tokio::test]
async fn an_image_is_named_by_digest_or_by_a_tag_that_is_not_latest() {
    let server = Server::new().await;
    let words = "the image needs a digest (…@sha256:…) or a tag other than latest";
    for image in ["openclaw:latest", "openclaw", "registry.example:5000/openclaw", "openclaw@sha256:abc", "open claw:1"]
    {
        refused(&server, json!({"gateway": {"image": image}}), words).await;
    }
    let digest = format!("ghcr.io/openclaw/openclaw@sha256:{}", "0".repeat(64));
    for image in ["openclaw:2026.9.6-slim", "registry.example:5000/openclaw:1", &digest] {
        accepted(&server, json!({"gateway": {"image": image}})).await;
    }
}

#[tokio::test]
async fn a_name_is_a_dns_label_of_at_most_40_characters() {
    let server = Server::new().await;
    let long = "a".repeat(41);
    for name in [long.as_str(), "a.b", "1a", "a-"] {
        for (object, kind) in [(agent(name), "an Agent"), (provider(name), "a Provider")] {
            let said = server.dry_run(&object).await.expect_err(name);
            let names_what_to_do =
                said.contains(&format!("the name of {kind} must be a DNS label of at most 40 characters"));
            assert!(names_what_to_do || said.contains("RFC 1123"), "{said}");
        }
    }
    let said = server.dry_run(&agent("Upper")).await.expect_err("an upper-case name was accepted");
    assert!(said.contains("lowercase RFC 1123"), "{said}");
    for name in ["constructor", "prototype"] {
        for object in [agent(name), provider(name)] {
            let said = server.dry_run(&object).await.expect_err(name);
            assert!(said.contains("OpenClaw cannot use the names 'constructor' and 'prototype'"), "{said}");
        }
    }
    for name in [&long[..40], "a", "a1-b2", "hasownproperty", "tostring"] {
        server.dry_run(&agent(name)).await.expect(name);
    }
}

#[tokio::test]
async fn an_agent_owns_a_gateway_or_joins_one_and_never_both() {
    let server = Server::new().await;
    let words = "set gateway (to own one) or gatewayRef (to join one), not both";
    refused(&server, json!({"gateway": {}, "gatewayRef": {"name": "b"}}), words).await;
    accepted(&server, json!({"gateway": {}})).await;
    accepted(&server, json!({"gatewayRef": {"name": "b"}})).await;
}

#[tokio::test]
async fn a_client_has_a_name_a_token_of_its_own_and_agents() {
    let server = Server::new().await;
    let secret = |key: &str| json!({"name": "tokens", "key": key});
    let client = |changes: Value| merged(json!({"name": "open-webui", "secretRef": secret("web")}), changes);
    let clients = |clients: Vec<Value>| json!({"gateway": {"auth": {"clients": clients}}});
    for name in ["Open", "a_b", "-a", "", &"a".repeat(41)] {
        refused(&server, clients(vec![client(json!({"name": name}))]), "spec.gateway.auth.clients[0].name").await;
    }
    for agents in [json!([]), json!(["Ada"]), json!(["a.b"]), json!(vec!["a"; 33])] {
        refused(&server, clients(vec![client(json!({"agents": agents}))]), "spec.gateway.auth.clients[0].agents").await;
    }
    refused(&server, clients(vec![client(json!({"agents": ["ada", "ada"]}))]), "Duplicate value").await;
    refused(&server, clients(vec![client(json!({})), client(json!({}))]), "Duplicate value").await;
    refused(&server, clients(vec![json!({"name": "a"})]), "secretRef: Required value").await;
    let many = (0..33).map(|number| client(json!({"name": format!("c{number}")}))).collect();
    refused(&server, clients(many), "must have at most 32 items").await;
    let token = |key: &str| json!({"secretKeyRef": secret(key)});
    let both = |key: &str| json!({"gateway": {"auth": {"token": token(key), "clients": [client(json!({}))]}}});
    refused(&server, both("web"), "a client needs a token of its own: the token of the gateway opens every Agent")
        .await;
    accepted(&server, both("gateway")).await;
    accepted(&server, clients(vec![client(json!({})), client(json!({"name": "home", "agents": ["a", "b"]}))])).await;
    accepted(&server, json!({"gateway": {"auth": {"token": token("gateway")}}})).await;
}

#[tokio::test]
async fn an_agent_cannot_join_itself() {
    let server = Server::new().await;
    refused(&server, json!({"gatewayRef": {"name": "a"}}), "spec.gatewayRef names this Agent itself").await;
}

#[tokio::test]
async fn variables_that_creel_sets_are_reserved() {
    let server = Server::new().await;
    let env = |name: &str| json!({"gateway": {"env": [{"name": name, "value": "x"}]}});
    for name in [
        "OPENCLAW_GATEWAY_TOKEN",
        "CREEL_X",
        "LD_PRELOAD",
        "HOME",
        "NODE_OPTIONS",
        "XDG_CACHE_HOME",
        "CHOKIDAR_USEPOLLING",
        "NODE_DISABLE_COMPILE_CACHE",
    ] {
        refused(&server, env(name), "this variable is reserved: OPENCLAW_*, CREEL_*, LD_*").await;
    }
    refused(&server, env("1ST"), "a variable name consists of letters, digits and '_'").await;
    refused(&server, env("WITH-DASH"), "a variable name consists of letters, digits and '_'").await;
    for name in ["HTTPS_PROXY", "HOMEPAGE", "_x", "MY_OPENCLAW_X"] {
        accepted(&server, env(name)).await;
    }
    let twice = json!({"gateway": {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}});
    refused(&server, twice, "Duplicate value").await;
}

#[tokio::test]
async fn a_variable_has_one_source() {
    let server = Server::new().await;
    let env = |variable: Value| json!({"gateway": {"env": [merged(json!({"name": "A"}), variable)]}});
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let map = json!({"configMapKeyRef": {"name": "c", "key": "k"}});
    refused(&server, env(json!({"value": "x", "valueFrom": secret})), "set value or valueFrom, not both").await;
    let both = merged(secret.clone(), map.clone());
    for source in [both, json!({})] {
        refused(&server, env(json!({"valueFrom": source})), "set exactly one of secretKeyRef and configMapKeyRef")
            .await;
    }
    let words = "set exactly one of secretRef and configMapRef";
    for source in [json!({}), json!({"secretRef": {"name": "s"}, "configMapRef": {"name": "c"}})] {
        refused(&server, json!({"gateway": {"envFrom": [source]}}), words).await;
    }
    let odd_key = json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "a b"}}});
    refused(&server, env(odd_key), "a key consists of letters, digits, '-', '_' and '.'").await;
    for variable in [json!({}), json!({"valueFrom": secret}), json!({"valueFrom": map})] {
        accepted(&server, env(variable)).await;
    }
}

#[tokio::test]
async fn labels_and_annotations_that_creel_rests_on_are_reserved() {
    let server = Server::new().await;
    let metadata = |field: &str, key: &str| json!({"gateway": {"podTemplate": {"metadata": {field: {key: "x"}}}}});
    for key in ["creel.dev/gateway", "app.kubernetes.io/name", "app.kubernetes.io/managed-by"] {
        let words = "labels under creel.dev/ and app.kubernetes.io/ are reserved for Creel";
        refused(&server, metadata("labels", key), words).await;
    }
    let words = "annotations under creel.dev/ are reserved for Creel";
    refused(&server, metadata("annotations", "creel.dev/plan"), words).await;
    accepted(&server, metadata("labels", "team")).await;
    accepted(&server, metadata("annotations", "prometheus.io/scrape")).await;
}

#[tokio::test]
async fn a_quantity_is_a_number_or_a_string_and_nothing_else() {
    let server = Server::new().await;
    let cpu = |amount: Value| json!({"gateway": {"resources": {"requests": {"cpu": amount}}}});
    for amount in [json!(1), json!("1"), json!("250m"), json!("0.5"), json!("1e3"), json!("2Gi")] {
        accepted(&server, cpu(amount)).await;
    }
    for amount in [json!("much"), json!("1 Gi"), json!("1gb"), json!(""), json!(true), json!(0.5)] {
        let object = merged(agent("a"), json!({"spec": cpu(amount)}));
        let said = server.dry_run(&object).await.expect_err(&format!("{object} was accepted"));
        assert!(said.contains("spec.gateway.resources.requests.cpu"), "{said}");
    }
}

#[tokio::test]
async fn lists_are_bounded() {
    let server = Server::new().await;
    let models: Vec<Value> = (0..9).map(|n| json!({"provider": "p", "model": format!("m{n}")})).collect();
    refused(&server, json!({"model": {"fallbacks": models}}), "must have at most 8 items").await;
    let env: Vec<Value> = (0..65).map(|n| json!({"name": format!("A{n}")})).collect();
    refused(&server, json!({"gateway": {"env": env}}), "must have at most 64 items").await;
    let sources: Vec<Value> = (0..17).map(|n| json!({"secretRef": {"name": format!("s{n}")}})).collect();
    refused(&server, json!({"gateway": {"envFrom": sources}}), "must have at most 16 items").await;
}

#[tokio::test]
async fn a_model_is_required_and_a_misspelt_field_is_named() {
    let server = Server::new().await;
    let mut without = agent("a");
    without["spec"].as_object_mut().expect("a spec").remove("model");
    let said = server.dry_run(&without).await.expect_err("an Agent without model was accepted");
    assert!(said.contains("spec.model"), "{said}");
    refused(&server, json!({"gateway": {"resorces": {}}}), "unknown field \"spec.gateway.resorces\"").await;
    refused(&server, json!({"gateway": {"imagePullPolicy": "Sometimes"}}), "Always").await;
}

#[tokio::test]
async fn a_heartbeat_comes_every_fifteen_seconds_at_most_and_in_a_part_of_the_day_that_exists() {
    let server = Server::new().await;
    let heartbeat = |heartbeat: Value| json!({"heartbeat": heartbeat});
    for every in ["5s", "14999ms", "8761h", "30", "1d", "30m1h", "1h1h"] {
        let words = "every must be a duration from 15s to 8760h, for example 30m or 1h30m";
        refused(&server, heartbeat(json!({"every": every})), words).await;
    }
    refused(&server, heartbeat(json!({})), "spec.heartbeat.every").await;
    let within = |start: &str, end: &str| {
        heartbeat(json!({"every": "30m", "activeHours": {"start": start, "end": end, "timeZone": "Europe/Paris"}}))
    };
    refused(&server, within("08:00", "08:00"), "start and end must differ").await;
    for (start, end, field) in [
        ("25:00", "22:00", "start"),
        ("24:00", "22:00", "start"),
        ("8:00", "22:00", "start"),
        ("08:60", "22:00", "start"),
        ("08:00", "25:00", "end"),
        ("08:00", "24:01", "end"),
    ] {
        refused(&server, within(start, end), &format!("spec.heartbeat.activeHours.{field}")).await;
    }
    for (start, end) in [("08:00", "22:00"), ("22:00", "06:00"), ("00:00", "24:00")] {
        accepted(&server, within(start, end)).await;
    }
    accepted(&server, heartbeat(json!({"every": "15s", "prompt": "Look at your notes."}))).await;
}

#[tokio::test]
async fn model_profiles_have_names_of_their_own_and_the_active_one_is_one_of_them() {
    let server = Server::new().await;
    let profile = |name: &str| json!({"name": name, "primary": {"provider": "p", "model": "small"}});
    let words = "activeModelProfile must be the name of an entry of modelProfiles";
    refused(&server, json!({"activeModelProfile": "local"}), words).await;
    refused(&server, json!({"modelProfiles": [profile("local")], "activeModelProfile": "lokal"}), words).await;
    refused(&server, json!({"modelProfiles": [profile("local"), profile("local")]}), "Duplicate value").await;
    for name in ["", "Local", "a b", "-a", &"a".repeat(41)] {
        refused(&server, json!({"modelProfiles": [profile(name)]}), "spec.modelProfiles[0].name").await;
    }
    let many: Vec<Value> = (0..17).map(|number| profile(&format!("p{number}"))).collect();
    refused(&server, json!({"modelProfiles": many}), "must have at most 16 items").await;
    let both = [profile("local"), profile("cheap")];
    accepted(&server, json!({"modelProfiles": both, "activeModelProfile": "cheap"})).await;
    accepted(&server, json!({"modelProfiles": both[..1]})).await;
}

#[tokio::test]
async fn tools_are_chosen_by_the_names_of_openclaw() {
    let server = Server::new().await;
    let tools = |tools: Value| json!({"tools": tools});
    refused(&server, tools(json!({"profile": "everything"})), "\"minimal\", \"messaging\", \"coding\", \"full\"").await;
    for name in ["", "web fetch", "${HOME}", &"a".repeat(129)] {
        refused(&server, tools(json!({"allow": [name]})), "spec.tools.allow[0]").await;
        refused(&server, tools(json!({"deny": [name]})), "spec.tools.deny[0]").await;
    }
    refused(&server, tools(json!({"deny": ["write", "write"]})), "Duplicate value").await;
    let of = |provider: &str| json!({"provider": provider, "profile": "minimal", "deny": ["write"]});
    refused(&server, tools(json!({"byProvider": [of("p"), of("p")]})), "Duplicate value").await;
    let all = json!({"profile": "coding", "allow": ["group:fs", "docs__*"], "deny": ["write"], "byProvider": [of("p"), of("q")]});
    accepted(&server, tools(all)).await;
}

#[tokio::test]
async fn a_picture_is_an_address_or_a_file_in_the_workspace() {
    let server = Server::new().await;
    let avatar = |avatar: &str| json!({"identity": {"name": "Ada", "emoji": "🛟", "avatar": avatar}});
    for wrong in ["/etc/passwd", "../ada.png", "a/../ada.png", "~/ada.png", "ftp://x/ada.png", "a//b.png", "a b.png"] {
        refused(&server, avatar(wrong), "avatar must be an http or https URL, a data: URI, or the path of a file")
            .await;
    }
    for right in ["avatars/ada.png", "ada.png", "https://example.com/a b.png", "data:image/png;base64,AAAA"] {
        accepted(&server, avatar(right)).await;
    }
    refused(&server, json!({"identity": {"name": "a".repeat(65)}}), "spec.identity.name").await;
    refused(&server, json!({"description": ""}), "spec.description").await;
    accepted(&server, json!({"description": "Talks to people and hands work on."})).await;
}

#[tokio::test]
async fn an_agent_hands_work_to_others_and_not_to_itself() {
    let server = Server::new().await;
    let delegates =
        |names: &[&str]| json!({"delegates": names.iter().map(|name| json!({"agent": name})).collect::<Vec<_>>()});
    refused(&server, delegates(&["b", "a"]), "spec.delegates names this Agent itself").await;
    refused(&server, delegates(&["b", "b"]), "Duplicate value").await;
    refused(&server, delegates(&["B"]), "spec.delegates[0].agent").await;
    accepted(&server, delegates(&["b", "c"])).await;
}

#[tokio::test]
async fn an_origin_is_what_a_browser_sends() {
    let server = Server::new().await;
    let origins = |origin: &str| json!({"gateway": {"controlUI": {"enabled": true, "allowedOrigins": [origin]}}});
    for origin in [
        "claw.example.com",
        "//claw.example.com",
        "ws://claw.example.com",
        "https://claw.example.com/",
        "https://claw.example.com/chat",
        "https://*.example.com",
        "*",
        "https://me@claw.example.com",
        "https://claw.example.com:443",
        "http://claw.example.com:80",
        "",
    ] {
        refused(&server, origins(origin), "an origin is a scheme, a host and, if it is not the default, a port").await;
    }
    for origin in
        ["https://claw.example.com", "https://claw.example.com:8443", "http://localhost:8080", "http://[::1]:8080"]
    {
        accepted(&server, origins(origin)).await;
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_an_address_or_a_narrow_range() {
    let server = Server::new().await;
    let proxies = |proxy: &str| json!({"gateway": {"trustedProxies": [proxy]}});
    for proxy in ["nginx", "10.0.0.1:80", "10.0.0.0/33", "10.0.0.0/", ""] {
        refused(&server, proxies(proxy), "a proxy is an address or a range of addresses").await;
    }
    for proxy in ["0.0.0.0/0", "0.0.0.0/1", "::/0"] {
        refused(&server, proxies(proxy), "list the addresses of the proxies alone").await;
    }
    for proxy in ["10.244.3.17", "10.20.0.0/28", "fd00::17", "fd00::/64"] {
        accepted(&server, proxies(proxy)).await;
    }
}

#[tokio::test]
async fn a_gateway_is_exposed_by_an_ingress_or_a_route_at_one_host() {
    let server = Server::new().await;
    let exposed = |exposure: Value| json!({"gateway": {"exposure": exposure}});
    let (ingress, route) = (json!({}), json!({"parentRefs": [{"name": "edge"}]}));
    let words = "set exactly one of ingress and httpRoute";
    refused(&server, exposed(json!({"host": "a.example"})), words).await;
    refused(&server, exposed(json!({"host": "a.example", "ingress": ingress, "httpRoute": route})), words).await;
    for host in ["https://a.example", "A.example", "*.example", "a.example:443", "a.example/x", ""] {
        refused(&server, exposed(json!({"host": host, "ingress": {}})), "spec.gateway.exposure.host").await;
    }
    let no_parent = json!({"host": "a.example", "httpRoute": {"parentRefs": []}});
    refused(&server, exposed(no_parent), "should have at least 1 items").await;
    let reserved = json!({"host": "a.example", "ingress": {"annotations": {"creel.dev/x": "y"}}});
    refused(&server, exposed(reserved), "annotations under creel.dev/ are reserved for Creel").await;
    for exposure in [json!({"host": "claw.example.com", "ingress": ingress}), json!({"host": "a", "httpRoute": route})]
    {
        accepted(&server, exposed(exposure)).await;
    }
}

#[tokio::test]
async fn a_peer_is_pods_or_a_range() {
    let server = Server::new().await;
    let from = |peer: Value| json!({"gateway": {"exposure": {"host": "a.example", "ingress": {}, "from": [peer]}}});
    let words = "set either ipBlock, or podSelector and/or namespaceSelector";
    let range = json!({"cidr": "192.0.2.0/28"});
    for peer in [json!({}), json!({"ipBlock": range, "podSelector": {}})] {
        refused(&server, from(peer), words).await;
    }
    refused(&server, from(json!({"ipBlock": {"cidr": "192.0.2.1"}})), "cidr must be a range of addresses").await;
    let odd = json!({"ipBlock": {"cidr": "192.0.2.0/28", "except": ["x"]}});
    refused(&server, from(odd), "except lists ranges of addresses").await;
    for peer in
        [json!({"ipBlock": range}), json!({"podSelector": {}}), json!({"namespaceSelector": {}, "podSelector": {}})]
    {
        accepted(&server, from(peer)).await;
    }
}

#[tokio::test]
async fn keys_of_openclaw_are_accepted_whatever_they_are() {
    let server = Server::new().await;
    let reference = json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let config = json!({"a": {"b": [1, {"c": true}, "d"]}, "e": reference});
    accepted(&server, json!({"config": config, "gateway": {"config": config}})).await;
    let many: serde_json::Map<_, _> = (0..65).map(|number| (number.to_string(), json!(1))).collect();
    refused(&server, json!({"config": many}), "must have at most 64 items").await;
    refused(&server, json!({"gateway": {"config": []}}), "must be of type object").await;
}

#[tokio::test]
async fn a_skill_has_a_name_of_its_own_and_variables_that_creel_does_not_set() {
    let server = Server::new().await;
    let key = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let skill = |name: &str, variable: &str| json!({"name": name, "configMapRef": {"name": "notes"}, "env": [{"name": variable, "valueFrom": key}]});
    accepted(&server, json!({"skills": []})).await;
    accepted(&server, json!({"skills": [{"name": "weather"}, skill("brew-notes", "NOTION_API_KEY")]})).await;
    for name in ["", "Brew", "brew_notes", "../brew", "-brew", "brew-"] {
        refused(&server, json!({"skills": [{"name": name}]}), "spec.skills[0].name").await;
    }
    refused(&server, json!({"skills": [{"name": "a"}, {"name": "a"}]}), "Duplicate value").await;
    for variable in ["OPENCLAW_GATEWAY_TOKEN", "CREEL_X", "LD_PRELOAD", "HOME", "NODE_OPTIONS"] {
        refused(&server, json!({"skills": [skill("a", variable)]}), "this variable is reserved").await;
    }
    refused(&server, json!({"skills": [skill("a", "1X")]}), "spec.skills[0].env[0].name").await;
    let plain = json!({"skills": [{"name": "a", "env": [{"name": "KEY", "value": "v"}]}]});
    refused(&server, plain, "unknown field").await;
    let many: Vec<_> = (0..33).map(|number| json!({"name": format!("s{number}")})).collect();
    refused(&server, json!({"skills": many}), "must have at most 32 items").await;
}

#[tokio::test]
async fn a_device_is_named_by_its_public_key_or_its_id() {
    let server = Server::new().await;
    let (key, id) = ("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "0a".repeat(32));
    let with = |device: Value| json!({"gateway": {"devices": [merged(json!({"name": "board"}), device)]}});
    for device in [
        json!({"publicKey": key}),
        json!({"id": id, "role": "node"}),
        json!({"id": id, "scopes": ["operator.read", "operator.talk.secrets"]}),
    ] {
        accepted(&server, with(device)).await;
    }
    accepted(&server, json!({"gateway": {"devices": []}})).await;
    let words = "set either publicKey or id of a device";
    refused(&server, with(json!({})), words).await;
    refused(&server, with(json!({"publicKey": key, "id": id})), words).await;
    // Of the last of 43 letters two bits have to be zero.
    let uneven = format!("{}h", &key[..42]);
    for device in [
        json!({"publicKey": uneven}),
        json!({"id": id.to_uppercase()}),
        json!({"id": id, "scopes": []}),
        json!({"id": id, "scopes": ["everything"]}),
        json!({"id": id, "role": "admin"}),
    ] {
        refused(&server, with(device), "spec.gateway.devices[0].").await;
    }
}
