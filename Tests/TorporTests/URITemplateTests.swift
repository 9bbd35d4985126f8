import Testing
import Torpor

@Suite struct URITemplateTests {
    @Test(
        arguments: [
            ("note:///{title}", "note:///a", ["title": "a"]),
            ("note:///{title}", "note:///a%20b%C3%BC", ["title": "a bü"]),
            ("x://{a}/of/{b}", "x://1/of/2", ["a": "1", "b": "2"]), ("x://{+path}", "x://a/b?c", ["path": "a/b?c"]),
            ("x://{a}.json", "x://1.json", ["a": "1"]), ("x://fixed", "x://fixed", [:]),
        ] as [(String, String, [String: String])])
    func aURIGivesItsVariables(template: String, uri: String, values: [String: String]) throws {
        #expect(try #require(URITemplate(template)).match(uri)?.values == values)
    }

    @Test(arguments: [
        ("note:///{title}", "note:///"), ("note:///{title}", "note:///a/b"), ("note:///{title}", "note:///a?b"),
        ("note:///{title}", "other:///a"),
        ("note:///{title}", "note:///%zz"), ("note:///{title}", "note:///%ff"), ("x://{a}.json", "x://1.xml"),
        ("x://fixed", "x://fixed/"),
        ("note:///{title}", "note:///a%2"),
    ])
    func aURIOfAnotherShapeDoesNotMatch(template: String, uri: String) throws {
        #expect(try #require(URITemplate(template)).match(uri) == nil)
    }

    /// To Unicode a delimiter with an accent behind it is one character, and another one; to a file system it is not.
    @Test(arguments: ["/", "?", "#"])
    func aSegmentTakesInNoDelimiterWithAnAccent(delimiter: String) throws {
        let template = try #require(URITemplate("note:///{title}"))
        #expect(template.match("note:///a\(delimiter)\u{301}b") == nil)
        #expect(template.match("note:///\u{301}b")?.values == ["title": "\u{301}b"])
    }

    @Test func aLiteralIsComparedByteByByte() throws {
        let template = try #require(URITemplate("x://\u{E9}/{a}"))
        #expect(template.match("x://\u{E9}/1")?.values == ["a": "1"])
        #expect(template.match("x://e\u{301}/1") == nil)
    }

    @Test(arguments: ["x://{", "x://}", "x://{}", "x://{a}{b}", "x://{a}/{a}", "x://{a b}", "x://{?query}"])
    func whatIsNoTemplateIsRefused(text: String) {
        #expect(URITemplate(text) == nil)
    }
}
