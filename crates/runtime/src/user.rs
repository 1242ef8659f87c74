//! Who a container runs as: `user`, `user:group`, numbers or names, looked up in the container's own files.

use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: Option<String>,
}

/// `root` is the container's root; it is read before the user is changed.
pub(crate) fn resolve(root: &Path, user: &str, extra: &[u32]) -> Result<Identity, String> {
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    let group = std::fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    let mut identity = lookup(&passwd, &group, user)?;
    identity.groups.extend(extra.iter().filter(|g| **g != identity.gid));
    identity.groups.sort_unstable();
    identity.groups.dedup();
    Ok(identity)
}

fn lookup(passwd: &str, group: &str, user: &str) -> Result<Identity, String> {
    let (user, group_name) = user.split_once(':').map_or((user, None), |(u, g)| (u, Some(g)));
    let user = if user.is_empty() { "0" } else { user };
    let number: Option<u32> = user.parse().ok();
    let entry = passwd
        .lines()
        .map(|l| l.split(':').collect::<Vec<_>>())
        .find(|f| f.len() >= 6 && (f[0] == user || (number.is_some() && f[2].parse().ok() == number)));
    let (uid, mut gid, name, home) = match (&entry, number) {
        (Some(f), _) => {
            let id = |text: &str| {
                text.parse::<u32>().map_err(|_| format!("the entry of {user} in /etc/passwd is damaged"))
            };
            (id(f[2])?, id(f[3])?, Some(f[0]), Some(f[5].to_string()))
        }
        (None, Some(uid)) => (uid, 0, None, None),
        (None, None) => {
            return Err(format!("unable to find user {user}: no matching entries in passwd file"));
        }
    };
    let rows = || group.lines().map(|l| l.split(':').collect::<Vec<_>>()).filter(|f| f.len() >= 3);
    let mut groups = Vec::new();
    match group_name {
        Some(wanted) if !wanted.is_empty() => {
            let by_name = rows().find(|f| f[0] == wanted).and_then(|f| f[2].parse().ok());
            gid = by_name
                .or_else(|| wanted.parse().ok())
                .ok_or_else(|| format!("unable to find group {wanted}: no matching entries in group file"))?;
        }
        _ => {
            let member =
                |f: &Vec<&str>| f.len() >= 4 && name.is_some_and(|n| f[3].split(',').any(|m| m == n));
            groups
                .extend(rows().filter(member).filter_map(|f| f[2].parse::<u32>().ok()).filter(|g| *g != gid));
        }
    }
    Ok(Identity { uid, gid, groups, home: home.filter(|h| !h.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
        let group = "root:x:0:\napp:x:1000:\ndocker:x:99:app,other\n";
        let look =
            |user| lookup(passwd, group, user).map(|i| (i.uid, i.gid, i.groups, i.home.unwrap_or_default()));
        assert_eq!(look(""), Ok((0, 0, vec![], "/root".into())));
        assert_eq!(look("app"), Ok((1000, 1000, vec![99], "/home/app".into())));
        assert_eq!(look("1000"), Ok((1000, 1000, vec![99], "/home/app".into())));
        assert_eq!(look("1000:0"), Ok((1000, 0, vec![], "/home/app".into())));
        assert_eq!(look("app:docker"), Ok((1000, 99, vec![], "/home/app".into())));
        assert_eq!(look("4242"), Ok((4242, 0, vec![], String::new())));
        assert!(look("nobody").is_err());
    }
}
