package import Tracing

extension Dispatcher {
    /// Runs a call inside a span of the trace that the request belongs to (2026-07-28, `_meta`; W3C Trace Context), if
    /// anybody traces.
    func traced(_ operation: Operation, _ body: @Sendable () async -> Dispatch) async -> Dispatch {
        guard let tracer = self.environment.tracer else { return await body() }
        return await tracer.withAnySpan(
            operation.method.name.description, context: self.context(of: operation, tracer), ofKind: .server
        ) { span in
            self.describe(span, operation)
            return await body()
        }
    }

    /// The same for a handler that runs on the event loop.
    func tracedInline(_ operation: Operation, _ body: () -> Reply) -> Reply {
        guard let tracer = self.environment.tracer else { return body() }
        return tracer.withAnySpan(
            operation.method.name.description, context: self.context(of: operation, tracer), ofKind: .server
        ) { span in
            self.describe(span, operation)
            return body()
        }
    }

    private func context(of operation: Operation, _ tracer: any Tracer) -> ServiceContext {
        var context = ServiceContext.topLevel
        tracer.extract(operation, into: &context, using: MetaExtractor())
        return context
    }

    private func describe(_ span: any Span, _ operation: Operation) {
        let bytes = operation.bytes
        span.updateAttributes { attributes in
            attributes["mcp.method.name"] = operation.method.name.description
            attributes["mcp.protocol.version"] = operation.revision.rawValue
            if operation.method == .toolsCall, let name = operation.params.name.string(in: bytes.span) {
                attributes["gen_ai.tool.name"] = name
            }
        }
    }
}

/// Finds `traceparent`, `tracestate` and `baggage` in `_meta`, where this protocol carries them.
private struct MetaExtractor: Extractor {
    func extract(key: String, from operation: Operation) -> String? {
        let bytes = operation.bytes
        return JSONSlice.member(key, of: operation.params.meta.source, in: bytes.span).string(in: bytes.span)
    }
}

extension DispatcherEnvironment {
    /// What `InstrumentationSystem` was bootstrapped with; `nil` when nobody traces.
    package static var bootstrappedTracer: (any Tracer)? {
        let tracer = InstrumentationSystem.tracer
        return tracer is NoOpTracer ? nil : tracer
    }
}
