import NIOCore
import NIOHTTP2
import TorporCore

extension NIOHTTP2Handler.Configuration {
    /// What a client of HTTP/2 may do.
    ///
    /// Requests are checked where they are laid out, so the library's own checks are off. What is left of its errors is a
    /// client that breaks the protocol, or floods: it is told so, and the connection ends.
    init(_ configuration: HTTPConfiguration) {
        self.init()
        self.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: configuration.streamsPerConnectionMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: configuration.headMax.bytes),
        ]
        self.connection.headerBlockValidation = .disabled
        self.connection.contentLengthValidation = .disabled
        self.connection.targetWindowSize = Self.connectionWindow
        // Answers to pings and settings that the client does not read.
        self.connection.maximumBufferedControlFrames = 1_000
        self.connection.maximumSequentialEmptyDataFrames = 1
        self.connection.maximumSequentialContinuationFrames = 5
        // Streams that were reset, and whose frames may still be on their way.
        self.connection.maximumRecentlyResetStreams = 2 * configuration.streamsPerConnectionMax
        self.connection.controlFrameRateLimit.maximumCount = 200
        self.connection.controlFrameRateLimit.windowLength = .seconds(30)
        self.stream.streamResetFrameRateLimit.maximumCount = 200
        self.stream.streamResetFrameRateLimit.windowLength = .seconds(30)
        self.stream.streamErrorRateLimit.maximumCount = 100
        self.stream.streamErrorRateLimit.windowLength = .seconds(30)
        // As for a connection of HTTP/1.1.
        self.stream.outboundBufferSizeHighWatermark = 16 << 10
        self.stream.outboundBufferSizeLowWatermark = 8 << 10
    }

    /// Bytes of all requests of a connection that may be on their way; of one request they are 64 KiB, the protocol's
    /// default. What has arrived is counted as of any request.
    private static let connectionWindow = 256 << 10
}
