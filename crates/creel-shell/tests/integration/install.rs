//! `creel-shell install`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::fixtures::BINARY;
use crate::fixtures::directory::Directory;

#[test]
fn installing_twice_leaves_one_executable_copy_and_a_link_to_it() {
    let directory = Directory::new();
    for _ in 0..2 {
        assert!(Command::new(BINARY).arg("install").arg(&*directory).status().unwrap().success());
    }
    let mut names: Vec<_> = fs::read_dir(&*directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["creel-shell", "creel-shell-ssh"]);
    assert_eq!(fs::read_link(directory.path("creel-shell-ssh")).unwrap(), Path::new("creel-shell"));
    let copy = directory.path("creel-shell");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(BINARY).unwrap());
}
