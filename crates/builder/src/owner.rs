//! Names of users and groups, as the image knows them.

use images::View;

/// What `/etc/passwd` says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
}

/// `app`, `1000`, `app:staff`, `1000:1000` → ids. A number without a group stands for both.
pub(crate) fn owner(view: &View, text: &str) -> Result<(u32, u32), &'static str> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let (uid, own_gid) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) if user.is_empty() => (0, 0),
        Err(_) => {
            let user = user_named(view, user).ok_or("the image's /etc/passwd has no such user")?;
            (user.uid, user.gid)
        }
    };
    let gid = match group.map(|group| (group, group.parse::<u32>())) {
        None => own_gid,
        Some((_, Ok(gid))) => gid,
        Some((group, Err(_))) => {
            group_named(view, group).ok_or("the image's /etc/group has no such group")?
        }
    };
    Ok((uid, gid))
}

/// The home folder of a USER, `/` when the image does not know.
pub(crate) fn home(view: &View, user: &str) -> String {
    let name = user.split(':').next().unwrap_or_default();
    let found = match name.parse::<u32>() {
        Ok(uid) => users(view).into_iter().find(|(_, user)| user.uid == uid).map(|(_, user)| user),
        Err(_) if name.is_empty() => {
            users(view).into_iter().find(|(_, user)| user.uid == 0).map(|(_, user)| user)
        }
        Err(_) => user_named(view, name),
    };
    let is_root = name.is_empty() || name == "root" || name == "0";
    found
        .map(|user| user.home)
        .filter(|home| !home.is_empty())
        .unwrap_or_else(|| if is_root { "/root".to_owned() } else { "/".to_owned() })
}

fn user_named(view: &View, name: &str) -> Option<User> {
    let known = users(view).into_iter().find(|(known, _)| known == name).map(|(_, user)| user);
    // Images without /etc/passwd have at least this user.
    known.or_else(|| (name == "root").then(|| User { uid: 0, gid: 0, home: "/root".into() }))
}

fn users(view: &View) -> Vec<(String, User)> {
    let text = view.read("/etc/passwd").unwrap_or_default();
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let user = User {
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
            home: fields.get(5).unwrap_or(&"").to_string(),
        };
        Some((fields[0].to_owned(), user))
    };
    text.lines().filter_map(parse).collect()
}

fn group_named(view: &View, name: &str) -> Option<u32> {
    let text = view.read("/etc/group").unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    found.or_else(|| (name == "root").then_some(0))
}
