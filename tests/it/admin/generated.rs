//! schemathesis makes requests out of the API's own description, such as it allows and such as it does not, and holds each answer
//! against it: nothing fails inside, and no answer has a status, a type or a form that is not described.

use std::fs;

use super::{Scene, TOKEN};
use crate::support::http::Door;
use crate::support::tool::{from_pypi, run, shown};

/// Whether what the description allows is accepted is not asked: no schema says which names of clients and algorithms there are.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

const ROUTE: &str = "certificates = [\"certs\"]\n[[listener.route]]\nname = \"split\"\nserver_names = [\"split.test\"]\n\
                     backends = [{ backend = \"echo\", weight = 3 }, \"other\"]";
const TABLES: &str = "[backend.other]\nservers = [\"127.0.0.1:1\"]\n[state]\ndirectory = \"state\"\n\
                      [acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n";

/// The same requests each time, or as many as the environment asks for, which then are others each time.
fn extent() -> Vec<String> {
    match std::env::var("TLSGATE_TEST_REQUESTS") {
        Ok(most) => vec!["--max-examples".into(), most],
        Err(_) => ["--max-examples", "20", "--generation-deterministic"].map(str::to_owned).into(),
    }
}

#[test]
fn no_request_that_the_description_leads_to_is_answered_otherwise() {
    let scene = Scene::with("listen=\"127.0.0.1:0\"\ntoken_file=\"token\"", ROUTE, TABLES);
    let Door::Tcp(address) = &scene.door else { panic!("{:?}", scene.door) };
    // What there is, so that not every answer is 404.
    let known = format!(
        "[parameters]\nlistener = \"main\"\n[[operations]]\ninclude-path = \"/api/v1/backends/{{name}}/{{server}}/state\"\n\
         [operations.parameters]\nname = \"echo\"\nserver = \"{}\"\n[[operations]]\n\
         include-path = \"/api/v1/listeners/{{listener}}/routes/{{name}}/weights\"\n[operations.parameters]\nname = \"split\"\n",
        scene.backend.address
    );
    let settings = scene.path("schemathesis.toml");
    fs::write(&settings, known).unwrap();
    let url = format!("http://{address}/api/v1/openapi.json");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let mut arguments =
        vec!["--config-file", settings.to_str().unwrap(), "run", &url, "-H", &bearer, "--checks", CHECKS];
    arguments.extend(["--exclude-path", "/api/v1/drain", "--no-color"]);
    let extent = extent();
    arguments.extend(extent.iter().map(String::as_str));
    let output = run(from_pypi("schemathesis").to_str().unwrap(), &arguments, b"");
    assert!(output.status.success(), "{}", shown(&output));
    println!("{}", shown(&output));
    // It still serves, and knows what it has done.
    assert_eq!(scene.door.get("/livez").status, 200);
    let changes = scene.proxy.log_line("a change was requested through the admin API");
    assert!(changes.contains("method="), "{changes}");
}
