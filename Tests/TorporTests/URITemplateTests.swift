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

    @Test(arguments: ["x://{", "x://}", "x://{}", "x://{a}{b}", "x://{a}/{a}", "x://{a b}", "x://{?query}"])
    func whatIsNoTemplateIsRefused(text: String) {
        #expect(URITemplate(text) == nil)
    }
}
