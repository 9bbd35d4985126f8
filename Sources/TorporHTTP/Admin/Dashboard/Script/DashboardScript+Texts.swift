extension DashboardScript {
    /// How figures are written for people.
    static let texts = #"""
        function bytes(value) {
          if (value == null) return "–";
          const units = ["B", "KiB", "MiB", "GiB", "TiB"];
          let unit = 0;
          while (Math.abs(value) >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
          return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
        }

        function count(value) {
          if (value == null) return "–";
          return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
        }

        function rate(value) {
          if (value == null) return "–";
          if (value >= 100) return count(value);
          return value === 0 ? "0" : value < 0.1 ? "< 0.1" : value.toFixed(1);
        }

        function seconds(value) {
          if (value == null) return "–";
          if (value === 0) return "0";
          if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
          if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
          return `${value.toFixed(value < 10 ? 1 : 0)} s`;
        }

        function period(value) {
          const days = Math.floor(value / 86400), hours = Math.floor(value / 3600) % 24;
          const minutes = Math.floor(value / 60) % 60;
          if (days > 0) return `${days} d ${hours} h`;
          if (hours > 0) return `${hours} h ${minutes} min`;
          return minutes > 0 ? `${minutes} min` : `${Math.floor(value)} s`;
        }
        """#
}
