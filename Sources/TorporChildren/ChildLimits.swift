package import TorporCore

/// What a child and everything that it starts may take.
package struct ChildLimits: Sendable, Equatable {
    /// Memory of the whole family; beyond it the family is ended with ``ChildEnding/overMemory(used:cap:)``.
    ///
    /// In a control group anonymous and shared memory and what cannot be given back of files; otherwise pages in
    /// memory, shared ones divided among those that have them.
    package var memory: ByteCount
    /// How much more than ``memory`` each process may map for writing, where no control group holds the cap; see
    /// ``RuntimeProfile/mappedHeadroom``. `nil`: as much as it likes.
    ///
    /// It is the hard stop between two looks at the family. It counts what is mapped, used or not, so it has to be
    /// ample.
    package var mappedHeadroom: ByteCount?
    /// Processes of the family at a time; in a control group its threads count as well, and one more is refused to
    /// whoever starts it. Elsewhere the family is ended with ``ChildEnding/overProcesses(count:max:)``.
    package var processes: Int
    /// Descriptors that each process may have open.
    package var openFiles: Int

    /// - Precondition: All are more than nothing.
    package init(
        memory: ByteCount, mappedHeadroom: ByteCount? = nil, processes: Int = 512, openFiles: Int = 4_096
    ) {
        precondition(memory.bytes > 0 && processes > 0 && openFiles > 0, "a child needs something of everything")
        self.memory = memory
        self.mappedHeadroom = mappedHeadroom
        self.processes = processes
        self.openFiles = openFiles
    }
}
