//! `kumod` as a program: scripts and validation (interface F.1, F.5).

use std::path::Path;
use std::process::{Command, Output};

use clap::Parser;
use kumo_tsa::mail::start::{Arguments, Mode};
use tempfile::TempDir;

fn me() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn is_root() -> bool {
    me() == "root"
}

fn kumod(folder: &TempDir, policy: &str, args: &[&str]) -> Output {
    let file = folder.path().join("policy.lua");
    std::fs::write(&file, policy).unwrap();
    let user = me();
    command(folder.path()).args(["--user", &user, "--policy"]).arg(&file).args(args).output().unwrap()
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kumod"));
    command.env("KUMO_PREFIX", folder).env_remove("KUMOD_LOG").env_remove("KUMO_ZONES");
    command
}

#[track_caller]
fn shown(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_script_is_given_its_arguments_and_may_wait() {
    let folder = tempfile::tempdir().unwrap();
    let script = "local kumo = require 'kumo'
        kumo.on('init', function() print 'init' end)
        kumo.on('main', function(...)
          kumo.on('get_egress_path_config', function(domain) return kumo.make_egress_path { ehlo_domain = domain } end)
          kumo.sleep(0.01)
          print(select('#', ...), tostring(_VALIDATING_CONFIG), ...)
          print(kumo.invoke_get_egress_path_config('d.com', 's', 't').ehlo_domain)
          kumo.log_info 'quiet'
        end)";
    let (well, out, err) = shown(&kumod(&folder, script, &["--script", "--", "a b", "--c"]));
    assert_eq!((well, out.as_str(), err.as_str()), (true, "2\tnil\ta b\t--c\nd.com\n", ""), "{out}{err}");
}

#[test]
fn a_script_that_fails_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let (well, _, err) =
        shown(&kumod(&folder, "require('kumo').on('main', function()\nerror 'no' end)", &["--script"]));
    assert!(!well && err.contains("event `main`") && err.contains("policy.lua:2: no"), "{err}");
    let (well, _, err) = shown(&kumod(&folder, "", &["--script"]));
    assert!(!well && err.contains("event `main` has not been registered"), "{err}");
    let (well, _, err) = shown(&kumod(&folder, "x = = 1", &["--script"]));
    assert!(!well && err.contains("Error evaluating policy file"), "{err}");
}

#[test]
fn a_policy_is_validated_without_being_run() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "local kumo = require 'kumo'
        kumo.on('pre_init', function() print 'pre_init' end)
        kumo.on('init', function() print('init', _VALIDATING_CONFIG) kumo.spawn_task { event_name = 'x', args = {} } end)
        kumo.on('validate_config', function() print 'first' end)
        kumo.on('validate_config', function() print 'second' BAD end)";
    let good = policy.replace("BAD", "");
    let (well, out, err) = shown(&kumod(&folder, &good, &["--validate"]));
    assert_eq!((well, out.as_str(), err.as_str()), (true, "pre_init\ninit\ttrue\nfirst\nsecond\n", ""));
    let declared = policy.replace("BAD", "kumo.validation_failed()");
    let (well, _, err) = shown(&kumod(&folder, &declared, &["--validate"]));
    assert!(!well && err.contains("Validation failed"), "{err}");
    let (well, _, err) = shown(&kumod(&folder, &policy.replace("BAD", "error 'x'"), &["--validate"]));
    assert!(!well && err.contains("event `validate_config`"), "{err}");
}

#[test]
fn root_has_to_say_whom_to_run_as_and_others_can_be_themselves_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.lua");
    std::fs::write(&file, "require('kumo').on('main', function() print(io.popen('id -un'):read('a')) end)").unwrap();
    let run = |user: &[&str]| {
        shown(&command(folder.path()).args(user).arg("--policy").arg(&file).arg("--script").output().unwrap())
    };
    let (well, _, err) = run(&[]);
    assert!(well != is_root() && err.contains("--user NAME") == is_root(), "{err}");
    let (well, _, err) = run(&["--user", "no-such-user-here"]);
    assert!(!well && err.contains("there is no user `no-such-user-here`"), "{err}");
    // Of the users that every system has.
    let other = if is_root() { "nobody" } else { "root" };
    if is_root() {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (well, out, err) = run(&["--user", other]);
    if is_root() {
        assert_eq!((well, out.trim()), (true, other), "{err}");
    } else {
        assert!(!well && err.contains("only root can be somebody else"), "{err}");
    }
}

#[test]
fn what_is_to_be_done_is_read_from_the_arguments() {
    let parse = |args: &[&str]| Arguments::try_parse_from([&["kumod"], args].concat());
    assert_eq!(parse(&[]).unwrap().mode(), Mode::Service);
    assert_eq!(parse(&[]).unwrap().policy, Path::new("/opt/kumomta/etc/policy/init.lua"));
    assert_eq!(parse(&["--validate"]).unwrap().mode(), Mode::Validate);
    let old = parse(&["--script", "--script-args", "a", "--script-args", "b"]).unwrap();
    assert_eq!(old.mode(), Mode::Script(vec!["a".to_owned(), "b".to_owned()]));
    assert!(parse(&["--", "a"]).is_err() && parse(&["--script-args", "a"]).is_err());
    assert!(parse(&["--script", "--validate"]).is_err());
    assert!(parse(&["--diag-format", "json"]).is_ok());
}
