import CWarden
import Glibc
import TorporSystem

extension ChildGroups {
    /// Why control groups are not used.
    struct Refusal: Error, Equatable {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// Below which groups those of the children can be made.
    struct Place: Equatable {
        let version: ControlGroup.Version
        /// The group that has the controller of memory.
        let memory: String
        /// The group that has the controller of processes; `nil` where it is not offered.
        let processes: String?
        /// Whether Torpor's own process has to leave the group first, so that its controllers can be enabled.
        let needsLeaf: Bool

        /// Looks, and changes nothing.
        static func find(atMost best: MemoryCap.Kind, root: SystemRoot) -> Result<Place, Refusal> {
            guard let group = ControlGroup.current(root), let own = group.folders.first else {
                return .failure(Refusal("this machine shows no control groups"))
            }
            switch group.version {
            case .two:
                guard best >= .controlGroupTwo else {
                    return .failure(Refusal("memory is in the second version of control groups, which is not wanted"))
                }
                return self.findTwo(own, root)
            case .one: return self.findOne(own, root)
            }
        }

        private static func findOne(_ own: String, _ root: SystemRoot) -> Result<Place, Refusal> {
            guard root.isWritable("\(own)/cgroup.procs"), root.isWritable(own) else {
                return .failure(Refusal("the control group \(own) cannot be written"))
            }
            // Otherwise what children take would count nowhere but in their own group, beyond the limits around them.
            guard root.text("\(own)/memory.use_hierarchy")?.hasPrefix("0") != true else {
                return .failure(Refusal("groups below the control group \(own) would leave its limits"))
            }
            let processes = ControlGroup.folder(ofController: "pids", root: root).flatMap {
                root.isWritable($0) && root.isWritable("\($0)/cgroup.procs") ? $0 : nil
            }
            return .success(Place(version: .one, memory: own, processes: processes, needsLeaf: false))
        }

        private static func findTwo(_ own: String, _ root: SystemRoot) -> Result<Place, Refusal> {
            guard let controllers = root.text("\(own)/cgroup.controllers")?.split(whereSeparator: \.isWhitespace),
                controllers.contains("memory")
            else {
                return .failure(Refusal("the control group \(own) has no controller of memory"))
            }
            guard root.isWritable(own), root.isWritable("\(own)/cgroup.procs"),
                root.isWritable("\(own)/cgroup.subtree_control")
            else {
                return .failure(Refusal("the control group \(own) cannot be written"))
            }
            let processes = controllers.contains("pids") ? own : nil
            // The top of all groups may have processes and controllers both. It alone lacks this file.
            guard root.text("\(own)/cgroup.events") != nil else {
                return .success(Place(version: .two, memory: own, processes: processes, needsLeaf: false))
            }
            // systemd goes on to arrange the groups that it has not handed over.
            if root.names(in: "/run/systemd/system") != nil, torpor_group_is_delegated(root.absolute(own)) == 0 {
                return .failure(
                    Refusal("systemd has not handed over the control group \(own): set Delegate=yes for the service"))
            }
            let inhabitants = (root.lines("\(own)/cgroup.procs") ?? []).compactMap { Int32($0) }
            guard inhabitants.allSatisfy({ $0 == getpid() }) else {
                return .failure(Refusal("other processes are in the control group \(own), too"))
            }
            return .success(
                Place(version: .two, memory: own, processes: processes, needsLeaf: !inhabitants.isEmpty))
        }
    }
}
