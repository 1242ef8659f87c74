//! The subject of a certificate. TLS has verified it already; only two names are wanted, so a few dozen lines of DER
//! do instead of a library.

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) common_name: Option<String>,
    pub(crate) organizations: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// Tag, contents, rest.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let bytes = length & 0x7f;
        if bytes > 4 {
            return None;
        }
        let (head, tail) = rest.split_at_checked(bytes)?;
        length = head.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = tail;
    }
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

fn expect(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = element(der)?;
    (tag == wanted).then_some((contents, rest))
}

/// `None` if this is no certificate.
pub(crate) fn subject(certificate: &[u8]) -> Option<Subject> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (signed, _) = expect(certificate, SEQUENCE)?;
    let mut rest = signed;
    if element(rest)?.0 == EXPLICIT_VERSION {
        rest = element(rest)?.2;
    }
    // serial number, signature algorithm, issuer, validity
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (mut names, _) = expect(rest, SEQUENCE)?;
    let mut subject = Subject::default();
    while !names.is_empty() {
        let (mut set, more) = expect(names, SET)?;
        names = more;
        while !set.is_empty() {
            let (attribute, more) = expect(set, SEQUENCE)?;
            set = more;
            let (id, value) = expect(attribute, OBJECT_ID)?;
            let text = String::from_utf8_lossy(element(value)?.1).into_owned();
            match id {
                COMMON_NAME => subject.common_name = Some(text),
                ORGANIZATION => subject.organizations.push(text),
                _ => {}
            }
        }
    }
    Some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_certificate() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "dev");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:masters");
        let key = rcgen::KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("certificate");
        let subject = subject(certificate.der()).expect("a subject");
        assert_eq!(subject.common_name.as_deref(), Some("dev"));
        assert_eq!(subject.organizations, ["system:masters"]);
        assert_eq!(super::subject(b"no certificate"), None);
    }
}
