import CWarden
import Glibc

/// Torpor's ends of a child's standard streams: descriptors of pipes that do not block and are closed on exec.
///
/// Whoever is given them owns them, and closes each once. Closing ``input`` is how a stdio server is asked to end.
package struct ChildStreams: Sendable {
    /// What is written here the child reads as its standard input.
    package let input: Int32
    /// What the child writes to its standard output.
    package let output: Int32
    /// What the child writes to its standard error.
    package let errors: Int32
}

/// The three pipes of a child that is being started.
struct ChildPipes {
    let own: ChildStreams
    let childs: [Int32]

    /// - Throws: ``ChildError/Code/exhausted``; nothing is open then.
    static func make() throws(ChildError) -> ChildPipes {
        var open: [Int32] = []
        for _ in 0..<3 {
            var ends: [Int32] = [-1, -1]
            let number = torpor_pipe(&ends)
            guard number == 0 else {
                for descriptor in open { close(descriptor) }
                throw ChildError(.exhausted, "no pipe to a child could be made: \(errorText(number))")
            }
            open += ends
        }
        let own = ChildStreams(input: open[1], output: open[2], errors: open[4])
        for descriptor in [own.input, own.output, own.errors] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        return ChildPipes(own: own, childs: [open[0], open[3], open[5]])
    }

    func closeOwn() {
        for descriptor in [self.own.input, self.own.output, self.own.errors] { close(descriptor) }
    }

    func closeChilds() {
        for descriptor in self.childs { close(descriptor) }
    }
}
