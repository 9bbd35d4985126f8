import TorporSystem

extension MetricsRegistry {
    /// Exposes the `process_…` metrics that Prometheus clients agree on, read at each scrape.
    package func collectProcessMetrics() {
        let start = ProcessMemory.startSeconds
        self.collect { scrape in
            if let memory = ProcessMemory.memory {
                let (virtual, resident) = (Double(memory.virtualBytes), Double(memory.residentBytes))
                scrape.gauge("process_resident_memory_bytes", help: "Resident memory size in bytes.", resident)
                scrape.gauge("process_virtual_memory_bytes", help: "Virtual memory size in bytes.", virtual)
            }
            if let count = ProcessMemory.openFileDescriptors {
                scrape.gauge("process_open_fds", help: "Number of open file descriptors.", Double(count))
            }
            if let count = ProcessMemory.fileDescriptorsMax {
                scrape.gauge("process_max_fds", help: "Maximum number of open file descriptors.", Double(count))
            }
            if let count = ProcessMemory.threads {
                scrape.gauge("process_threads", help: "Number of operating system threads.", Double(count))
            }
            if let seconds = ProcessMemory.processorSeconds {
                scrape.counter("process_cpu_seconds_total", help: "User and system time spent in seconds.", seconds)
            }
            if let start {
                scrape.gauge("process_start_time_seconds", help: "Start time in seconds since 1970.", start)
            }
        }
    }
}
