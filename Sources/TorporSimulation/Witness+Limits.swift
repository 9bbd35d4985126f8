import TorporCore
import TorporEngine
import TorporStore

extension Witness {
    /// At every job: what is in memory keeps within its limits.
    func check(_ figures: EngineFigures, _ limits: MemoryLimits) {
        self.expect(
            .theCapHolds,
            figures.reservedBytes <= limits.residentMax.bytes
                && figures.anonymousReservedBytes <= limits.anonymousMax.bytes
                && figures.largestAccountBytes <= limits.accountMax.bytes,
            "more is reserved than may be: \(figures)")
        self.expect(
            .theCapHolds, figures.liveBytes <= figures.reservedBytes,
            "more is in memory than was reserved: \(figures)")
        self.expect(
            .theCapHolds, figures.committedPageBytes <= 2 * figures.liveBytes + (1 << 20),
            "more pages are in use than may be: \(figures)")
    }

    /// What the store has keeps within the quotas, whatever became of commits.
    func check(_ stored: StoreUsage, _ account: AccountID, _ usage: AccountUsage) {
        let quotas = self.limits.storage
        self.expect(
            .theQuotasHold,
            stored.total.bytes <= quotas.totalMax.bytes && stored.anonymous.bytes <= quotas.anonymousMax.bytes,
            "\(stored.total.bytes) bytes are stored, \(stored.anonymous.bytes) of them of anonymous callers")
        self.expect(
            .theQuotasHold, usage.bytes <= quotas.accountMax.bytes && usage.objects <= quotas.accountObjectsMax,
            "\(account) has stored \(usage.objects) objects of \(usage.bytes) bytes")
    }
}
