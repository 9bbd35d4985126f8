extension FuzzTarget {
    /// Every target, in the order in which campaigns run them.
    package static let all: [FuzzTarget] = [
        .json,
        .envelope,
        .dispatch,
        .http,
        .sessionToken,
        .requestState,
        .eventStream,
        .headerValue,
        .uriTemplate,
        .cursor,
        .tokenFile,
        .keyFile,
        .schema,
        .stateEncoding,
        .record,
    ]
}
