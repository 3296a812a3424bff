//! What golden.py computed: the format, written down by another program.

/// A master key, and a value that was sealed under it.
pub struct Golden {
    /// The line of the keyring.
    pub line: &'static str,
    pub kind: u8,
    pub namespace: &'static [u8],
    pub id: &'static [&'static [u8]],
    pub name: &'static str,
    pub expiry: u64,
    pub body: &'static [u8],
    /// In hexadecimal.
    pub value: &'static str,
}

pub const GOLDEN: [Golden; 3] = [
    Golden {
        line: "sslc-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        kind: b'k',
        namespace: b"web",
        id: &[&497000_u64.to_be_bytes()],
        name: "sslc:1:k:KpCf1Nm3jE-n9h9yhPwTuCeatmcDsU_8",
        expiry: 1789300000,
        body: &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
            24, 25, 26, 27, 28, 29, 30, 31,
        ],
        value: "016bb8bc4221d021af61e23338562e1a6471d18428348f9e592dcede7b5e6e2fdb4ec41d592017bd5b3a40d67e589adb14eefd2fe6f1c9d1dd45ac115f334a26c0128df34c29bd8a8199d67879b4377c132d0eff8d2ace8847",
    },
    Golden {
        line: "sslc-key-1:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4CBgoM",
        kind: b'k',
        namespace: b"",
        id: &[],
        name: "sslc:1:k:8bp_4KZwIRbkE5sFqby-xZibVSvjj-bP",
        expiry: u64::MAX,
        body: b"",
        value: "011920d930a68a0fffd0f98d6020eaba8fb357286f4471d22c378d189e81c4fd0aa0f2758cb0aa5d3a479ca12f1ca04ae8b11b965f93eb1a88",
    },
    Golden {
        line: "sslc-key-1:yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc",
        kind: b's',
        namespace: "Zürich".as_bytes(),
        id: &[b"a", b"", b"b"],
        name: "sslc:1:s:zxdLSOIGf8qGy-EZqjoRRA5JAA2AvGSG",
        expiry: 1,
        body: b"session",
        value: "013d3adb3e7ba1fc77ffbad0d0292c4c271c1ec60269bdc4815ae74b4da8a6428023ec6205d326b6e3acff9b8457599c4e602e0c19979514070b37675844c6be",
    },
];
