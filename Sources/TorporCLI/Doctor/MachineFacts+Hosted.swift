import TorporChildren
import TorporCore
import TorporHosting
import TorporSystem

extension MachineFacts.Hosted {
    /// Reads the settings of hosted servers and looks for their programs. Starts none.
    ///
    /// - Parameter variables: The environment.
    init(reading settings: HostingSettings, variables: [String: String], root: SystemRoot) {
        do {
            let servers = try settings.read(variables: variables)
            self.commands = servers.compactMap { server in
                guard case .command(let command) = server.connection else { return nil }
                let folder = "\(settings.foldersPath)/\(server.name)"
                return Self.command(command, of: server, folder: folder, variables: variables)
            }
            if servers.isEmpty { self.fault = "\(settings.name): no server is named, or all are disabled." }
        } catch {
            let text = "\(error)"
            self.fault = text.hasSuffix(".") ? text : text + "."
        }
        self.hasBubblewrap = ChildSandbox.find() != nil
        self.controlGroupRefusal = MemoryCap.controlGroupRefusal(root: root)
    }

    /// - Parameter folder: In place of the one that each child has of its own, which is not there yet.
    private static func command(
        _ command: HostedServerSettings.Command, of server: HostedServerSettings, folder: String,
        variables: [String: String]
    ) -> Command {
        let arguments = [command.program] + command.arguments
        let profile = RuntimeProfile.of(arguments)
        let memory = profile.limits(memory: command.memory).memory
        let environment = profile.environment(
            inheriting: variables, places: RuntimeProfile.Places(), cap: memory, named: command.environment)
        var result = Command(
            name: server.name, memory: memory, childrenMax: server.limits.childrenMax,
            isSandboxed: command.isSandboxed, caveat: profile.caveat)
        do throws(ChildError) {
            _ = try ChildCommand.find(
                command.program, environment: environment, directory: command.directory ?? folder)
        } catch {
            result.fault = error.description
        }
        return result
    }
}
