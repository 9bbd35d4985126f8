/// A Unicode property, as `\p{…}` names it.
enum CharacterProperty: Sendable {
    case category(Set<Unicode.GeneralCategory>)
    case flag(@Sendable (Unicode.Scalar) -> Bool)

    func holds(_ scalar: Unicode.Scalar) -> Bool {
        switch self {
        case .category(let categories): categories.contains(scalar.properties.generalCategory)
        case .flag(let test): test(scalar)
        }
    }

    /// A general category by short or long name, alone or behind `General_Category=` or `gc=`, or a binary property.
    init?(_ name: String) {
        let parts = name.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard parts[0] == "General_Category" || parts[0] == "gc",
                let categories = Self.categories[String(parts[1])]
            else { return nil }
            self = .category(categories)
        } else if let categories = Self.categories[name] {
            self = .category(categories)
        } else if let test = Self.flag(name) {
            self = .flag(test)
        } else {
            return nil
        }
    }

    private static let categories: [String: Set<Unicode.GeneralCategory>] = {
        let single: [(String, String, Unicode.GeneralCategory)] = [
            ("Lu", "Uppercase_Letter", .uppercaseLetter), ("Ll", "Lowercase_Letter", .lowercaseLetter),
            ("Lt", "Titlecase_Letter", .titlecaseLetter), ("Lm", "Modifier_Letter", .modifierLetter),
            ("Lo", "Other_Letter", .otherLetter), ("Mn", "Nonspacing_Mark", .nonspacingMark),
            ("Mc", "Spacing_Mark", .spacingMark), ("Me", "Enclosing_Mark", .enclosingMark),
            ("Nd", "Decimal_Number", .decimalNumber), ("Nl", "Letter_Number", .letterNumber),
            ("No", "Other_Number", .otherNumber), ("Pc", "Connector_Punctuation", .connectorPunctuation),
            ("Pd", "Dash_Punctuation", .dashPunctuation), ("Ps", "Open_Punctuation", .openPunctuation),
            ("Pe", "Close_Punctuation", .closePunctuation), ("Pi", "Initial_Punctuation", .initialPunctuation),
            ("Pf", "Final_Punctuation", .finalPunctuation), ("Po", "Other_Punctuation", .otherPunctuation),
            ("Sm", "Math_Symbol", .mathSymbol), ("Sc", "Currency_Symbol", .currencySymbol),
            ("Sk", "Modifier_Symbol", .modifierSymbol), ("So", "Other_Symbol", .otherSymbol),
            ("Zs", "Space_Separator", .spaceSeparator), ("Zl", "Line_Separator", .lineSeparator),
            ("Zp", "Paragraph_Separator", .paragraphSeparator), ("Cc", "Control", .control),
            ("Cf", "Format", .format), ("Cs", "Surrogate", .surrogate), ("Co", "Private_Use", .privateUse),
            ("Cn", "Unassigned", .unassigned),
        ]
        var categories: [String: Set<Unicode.GeneralCategory>] = [:]
        for (short, long, category) in single {
            categories[short] = [category]
            categories[long] = [category]
            categories[String(short.prefix(1)), default: []].insert(category)
        }
        categories["LC"] = [.uppercaseLetter, .lowercaseLetter, .titlecaseLetter]
        for (alias, name) in [
            ("Letter", "L"), ("Cased_Letter", "LC"), ("Mark", "M"), ("Combining_Mark", "M"), ("Number", "N"),
            ("Punctuation", "P"), ("punct", "P"), ("Symbol", "S"), ("Separator", "Z"), ("Other", "C"),
            ("digit", "Nd"), ("cntrl", "Cc"),
        ] {
            categories[alias] = categories[name]
        }
        return categories
    }()

    private static func flag(_ name: String) -> (@Sendable (Unicode.Scalar) -> Bool)? {
        switch name {
        case "Any": { _ in true }
        case "ASCII": { $0.isASCII }
        case "Assigned": { $0.properties.generalCategory != .unassigned }
        case "Alphabetic", "Alpha": { $0.properties.isAlphabetic }
        case "Uppercase", "Upper": { $0.properties.isUppercase }
        case "Lowercase", "Lower": { $0.properties.isLowercase }
        case "White_Space", "space": { $0.properties.isWhitespace }
        case "ID_Start", "IDS": { $0.properties.isIDStart }
        case "ID_Continue", "IDC": { $0.properties.isIDContinue }
        case "XID_Start", "XIDS": { $0.properties.isXIDStart }
        case "XID_Continue", "XIDC": { $0.properties.isXIDContinue }
        case "ASCII_Hex_Digit", "AHex": { $0.properties.isASCIIHexDigit }
        case "Hex_Digit", "Hex": { $0.properties.isHexDigit }
        case "Dash": { $0.properties.isDash }
        case "Emoji": { $0.properties.isEmoji }
        case "Emoji_Presentation", "EPres": { $0.properties.isEmojiPresentation }
        case "Ideographic", "Ideo": { $0.properties.isIdeographic }
        case "Math": { $0.properties.isMath }
        case "Noncharacter_Code_Point", "NChar": { $0.properties.isNoncharacterCodePoint }
        default: nil
        }
    }
}
