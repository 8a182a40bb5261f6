//! The subject of a certificate, as far as records show it.

/// The parts of the subject's name, such as `CN=mx.example.com`; as many as can be read.
///
/// An X.509 certificate is DER: nested values, each with a tag and a length (RFC 5280 section 4.1, ITU-T X.690).
pub(super) fn subject(certificate: &[u8]) -> Vec<String> {
    names(certificate).unwrap_or_default()
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

fn names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, signed, _) = value(certificate)?;
    let (_, mut fields, _) = value(signed)?;
    if fields.first() == Some(&VERSION) {
        fields = value(fields)?.2;
    }
    // The serial number, the algorithm, the issuer and the validity stand before the subject.
    for _ in 0..4 {
        fields = value(fields)?.2;
    }
    let (SEQUENCE, mut sets, _) = value(fields)? else { return None };
    let mut found = Vec::new();
    while let Some((_, mut set, rest)) = value(sets) {
        while let Some((_, pair, more)) = value(set) {
            let (_, kind, text) = value(pair)?;
            let (_, text, _) = value(text)?;
            found.push(format!("{}={}", attribute(kind), String::from_utf8_lossy(text)));
            set = more;
        }
        sets = rest;
    }
    Some(found)
}

/// The tag and the content of the first value, and what follows it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count > 4 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The short name of an attribute (RFC 4514 section 3), else its bytes.
fn attribute(identifier: &[u8]) -> String {
    let known = match identifier {
        [0x55, 0x04, 3] => "CN",
        [0x55, 0x04, 6] => "C",
        [0x55, 0x04, 7] => "L",
        [0x55, 0x04, 8] => "ST",
        [0x55, 0x04, 10] => "O",
        [0x55, 0x04, 11] => "OU",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        other => return data_encoding::HEXLOWER.encode(other),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read() {
        let mut params = rcgen::CertificateParams::new(vec!["mx.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, "mx.example.com");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(subject(certificate.der()), ["O=Example", "CN=mx.example.com"]);
        for end in 0..certificate.der().len() {
            let _ = subject(&certificate.der()[..end]);
        }
    }
}
