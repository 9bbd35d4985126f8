import Torpor

/// A cell as it compares with others: first what is missing, then `false`, `true`, numbers by value, and texts.
enum Cell: Sendable {
    case missing
    case bool(Bool)
    case integer(Int, JSONNumber)
    case fraction(Double, JSONNumber)
    case text(String)

    /// - Throws: for arrays and objects, texts that are too long, and numbers beyond any `Double`.
    init(_ value: JSONValue) throws(ToolError) {
        switch value {
        case .null: self = .missing
        case .bool(let flag): self = .bool(flag)
        case .string(let text):
            try ToolError.checkSize(text.utf8.count, of: "cell")
            self = .text(text)
        case .number(let number):
            try ToolError.checkSize(number.text.utf8.count, of: "cell")
            if let integer = number.int {
                self = .integer(integer, number)
            } else if let fraction = number.double {
                self = .fraction(fraction, number)
            } else {
                throw ToolError("The number is out of range.")
            }
        case .array, .object:
            throw ToolError("A cell is a text, a number, true, false or null; write lists and objects as text.")
        }
    }

    /// A cell of a table, which was checked when it was stored.
    init(stored value: JSONValue) {
        do {
            try self.init(value)
        } catch {
            preconditionFailure("a table holds only cells: \(error)")
        }
    }

    var value: JSONValue {
        switch self {
        case .missing: .null
        case .bool(let flag): .bool(flag)
        case .integer(_, let number), .fraction(_, let number): .number(number)
        case .text(let text): .string(text)
        }
    }

    /// What kind of thing it is, for people and models.
    var kind: String {
        switch self {
        case .missing: "nothing"
        case .bool: "boolean"
        case .integer, .fraction: "number"
        case .text: "text"
        }
    }

    /// Kinds sort in this order.
    private var rank: Int {
        switch self {
        case .missing: 0
        case .bool: 1
        case .integer, .fraction: 2
        case .text: 3
        }
    }

    func isOfKind(of other: Cell) -> Bool { self.rank == other.rank }
}

extension Cell: Comparable {
    static func < (left: Cell, right: Cell) -> Bool {
        switch (left, right) {
        case (.bool(let left), .bool(let right)): !left && right
        case (.integer(let left, _), .integer(let right, _)): left < right
        case (.fraction(let left, _), .fraction(let right, _)): left < right
        case (.integer(let left, _), .fraction(let right, _)): left.isLess(than: right)
        case (.fraction(let left, _), .integer(let right, _)): right.isGreater(than: left)
        case (.text(let left), .text(let right)): left < right
        default: left.rank < right.rank
        }
    }

    static func == (left: Cell, right: Cell) -> Bool {
        switch (left, right) {
        case (.missing, .missing): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left, _), .integer(let right, _)): left == right
        case (.fraction(let left, _), .fraction(let right, _)): left == right
        case (.text(let left), .text(let right)): left == right
        // A whole number that fits is always an integer, so the two kinds never meet.
        default: false
        }
    }
}

extension Int {
    /// Compares exactly: no integer is rounded to a fraction.
    fileprivate func isLess(than fraction: Double) -> Bool {
        if fraction >= 0x1p63 { return true }
        guard fraction >= -0x1p63 else { return false }
        return self < Int(fraction.rounded(.up))
    }

    fileprivate func isGreater(than fraction: Double) -> Bool {
        if fraction >= 0x1p63 { return false }
        guard fraction >= -0x1p63 else { return true }
        return self > Int(fraction.rounded(.down))
    }
}

/// A condition, made ready to test many cells.
struct CellTest {
    private let op: Condition.Operator
    private let operand: Cell
    private let needle: FoldedText

    init(_ condition: Condition) throws(ToolError) {
        self.op = condition.op
        self.operand = try Cell(condition.value)
        if condition.op == .contains {
            guard case .text(let text) = self.operand else {
                throw ToolError("The operator contains needs a text as its value.")
            }
            self.needle = FoldedText(text)
        } else {
            self.needle = FoldedText("")
        }
    }

    /// `eq` and `ne` compare all cells. The others pass only cells of the operand's kind; nothing is less or greater
    /// than a missing one.
    func passes(_ value: JSONValue) -> Bool {
        let cell = Cell(stored: value)
        switch self.op {
        case .eq: return cell == self.operand
        case .ne: return cell != self.operand
        case .lt: return self.isComparable(cell) && cell < self.operand
        case .le: return self.isComparable(cell) && cell <= self.operand
        case .gt: return self.isComparable(cell) && cell > self.operand
        case .ge: return self.isComparable(cell) && cell >= self.operand
        case .contains:
            guard case .text(let text) = cell else { return false }
            return FoldedText(text).offset(of: self.needle) != nil
        }
    }

    private func isComparable(_ cell: Cell) -> Bool {
        if case .missing = cell { false } else { cell.isOfKind(of: self.operand) }
    }
}
