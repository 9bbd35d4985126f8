import Glibc

/// The terminal that a program was started in, on its standard input and output.
struct Terminal: Sendable {
    /// Whether there is one to draw on.
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Columns and rows as they are now; 80 by 24 when nobody knows.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// How the keyboard was set; `nil` when standard input is no terminal.
    private let settings: termios?

    /// Takes the whole screen; keys come one by one, unseen, Ctrl-C as one of them.
    init() {
        var settings = termios()
        if tcgetattr(STDIN_FILENO, &settings) == 0 {
            self.settings = settings
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        } else {
            self.settings = nil
        }
        // Another screen, without a cursor.
        Self.write("\u{1B}[?1049h\u{1B}[?25l")
    }

    var hasKeyboard: Bool { self.settings != nil }

    /// Gives screen and keyboard back as they were.
    func leave() {
        Self.write("\u{1B}[?25h\u{1B}[?1049l")
        if var settings { tcsetattr(STDIN_FILENO, TCSANOW, &settings) }
    }

    /// Shows lines from the top, in place of what was there.
    func draw(_ lines: [TopLine]) {
        let (columns, rows) = Self.size
        let text = lines.prefix(rows).map { $0.ansi(columns: columns) + "\u{1B}[K" }.joined(separator: "\r\n")
        Self.write("\u{1B}[H" + text + "\u{1B}[J")
    }

    /// A terminal that is gone cannot be told.
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let count = Glibc.write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
