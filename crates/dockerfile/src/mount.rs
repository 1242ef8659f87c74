//! `RUN --mount=…`.

/// As written after `--mount=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawMount(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMount {
    pub kind: MountKind,
    pub target: String,
    pub source: String,
    pub from: Option<String>,
    pub id: Option<String>,
    pub readonly: bool,
    pub required: bool,
    /// `shared`, `private` or `locked`.
    pub sharing: String,
    pub size: Option<u64>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("unknown mount type `{kind}`")]
    Kind { kind: String },
    #[error("unknown mount option `{option}`")]
    Option { option: String },
    #[error("mount option {option}: `{value}` is not valid")]
    Value { option: String, value: String },
    #[error("a {kind} mount needs a target")]
    NoTarget { kind: &'static str },
}

impl RunMount {
    pub(crate) fn parse(text: &str) -> Result<RunMount, MountError> {
        let mut mount = RunMount {
            kind: MountKind::Bind,
            target: String::new(),
            source: String::new(),
            from: None,
            id: None,
            readonly: false,
            required: false,
            sharing: "shared".to_owned(),
            size: None,
            mode: None,
            uid: None,
            gid: None,
        };
        let mut writable = None;
        for field in
            text.split(',').map(|field| field.trim().trim_matches('"')).filter(|field| !field.is_empty())
        {
            let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
            mount.option(&key.to_ascii_lowercase(), value, &mut writable)?;
        }
        // A bind mount cannot be written unless it says so; what is written is thrown away.
        mount.readonly = !writable.unwrap_or(mount.kind != MountKind::Bind);
        if mount.target.is_empty() {
            match mount.kind {
                MountKind::Bind => return Err(MountError::NoTarget { kind: "bind" }),
                MountKind::Cache => return Err(MountError::NoTarget { kind: "cache" }),
                MountKind::Tmpfs => return Err(MountError::NoTarget { kind: "tmpfs" }),
                MountKind::Secret | MountKind::Ssh => {}
            }
        }
        Ok(mount)
    }

    fn option(
        &mut self,
        key: &str,
        value: Option<&str>,
        writable: &mut Option<bool>,
    ) -> Result<(), MountError> {
        let text = value.unwrap_or_default();
        let bad = || MountError::Value { option: key.to_owned(), value: text.to_owned() };
        let flag = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(bad()),
        };
        match key {
            "type" => {
                self.kind = match text {
                    "bind" => MountKind::Bind,
                    "cache" => MountKind::Cache,
                    "tmpfs" => MountKind::Tmpfs,
                    "secret" => MountKind::Secret,
                    "ssh" => MountKind::Ssh,
                    _ => return Err(MountError::Kind { kind: text.to_owned() }),
                }
            }
            "target" | "dst" | "destination" => text.clone_into(&mut self.target),
            "source" | "src" => text.clone_into(&mut self.source),
            "from" => self.from = Some(text.to_owned()),
            "id" => self.id = Some(text.to_owned()),
            "env" => {}
            "ro" | "readonly" => *writable = Some(!flag()?),
            "rw" | "readwrite" => *writable = Some(flag()?),
            "required" => self.required = flag()?,
            "sharing" => match text {
                "shared" | "private" | "locked" => text.clone_into(&mut self.sharing),
                _ => return Err(bad()),
            },
            "size" => self.size = Some(size(text).ok_or_else(bad)?),
            "mode" => self.mode = Some(u32::from_str_radix(text, 8).map_err(|_| bad())?),
            "uid" => self.uid = Some(text.parse().map_err(|_| bad())?),
            "gid" => self.gid = Some(text.parse().map_err(|_| bad())?),
            _ => return Err(MountError::Option { option: key.to_owned() }),
        }
        Ok(())
    }
}

/// `64m`, `1GiB`, plain bytes.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let cache = RunMount::parse("type=cache,target=/root/.cache,sharing=locked,mode=0755,uid=7").unwrap();
        assert_eq!(
            (cache.kind, cache.readonly, cache.mode, cache.uid),
            (MountKind::Cache, false, Some(0o755), Some(7))
        );
        let bind = RunMount::parse("source=a,dst=/b,from=x,rw").unwrap();
        assert_eq!((bind.kind, bind.readonly, bind.from.as_deref()), (MountKind::Bind, false, Some("x")));
        assert!(RunMount::parse("target=/b").unwrap().readonly);
        assert_eq!(RunMount::parse("type=tmpfs,target=/t,size=64m").unwrap().size, Some(64 << 20));
        assert_eq!(RunMount::parse("type=cache").unwrap_err().to_string(), "a cache mount needs a target");
        assert_eq!(RunMount::parse("type=x").unwrap_err().to_string(), "unknown mount type `x`");
        assert_eq!(RunMount::parse("colour=red").unwrap_err().to_string(), "unknown mount option `colour`");
    }
}
