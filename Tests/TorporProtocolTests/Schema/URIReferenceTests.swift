import Testing
import TorporProtocol

@Suite struct URIReferenceTests {
    /// RFC 3986, section 5.4, with fragments told apart.
    @Test(
        arguments: [
            ("g:h", "g:h"), ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"), ("//g", "http://g"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"), ("g#s", "http://a/b/c/g"), ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"), ("g;x", "http://a/b/c/g;x"), ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"), ("..", "http://a/b/"),
            ("../", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"), ("../../", "http://a/"),
            ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"), ("/../g", "http://a/g"), ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."), ("..g", "http://a/b/c/..g"), ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"), ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"), ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"), ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g"), ("http:g", "http:g"),
        ])
    func aReferenceIsResolvedAsTheRFCSays(reference: String, target: String) {
        let base = URIReference("http://a/b/c/d;p?q")
        #expect(URIReference(reference).resolved(against: base).document == target)
    }

    @Test func basesWithoutAFolderAreResolvedAgainst() {
        #expect(URIReference("b").resolved(against: URIReference("http://a")).document == "http://a/b")
        #expect(URIReference("b").resolved(against: URIReference("")).document == "b")
        #expect(URIReference("#x").resolved(against: URIReference("urn:uuid:1")).document == "urn:uuid:1")
        #expect(URIReference("1:b").resolved(against: URIReference("http://a/c")).document == "http://a/1:b")
    }

    @Test func aFragmentIsDecodedOrIsNone() {
        #expect(URIReference("a#/%25/%c3%A9").decodedFragment == "/%/é")
        #expect(URIReference("a").decodedFragment == "")
        for broken in ["#%", "#%2", "#%zz", "#%ff"] { #expect(URIReference(broken).decodedFragment == nil) }
    }
}
