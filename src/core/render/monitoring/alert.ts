/** An alert of Prometheus: what is wrong, since when it counts, and what to do. */
export interface Alert {
  name: string;
  severity: 'critical' | 'warning';
  expr: string;
  /** A duration of Prometheus; empty for at once. */
  for: string;
  /** One line, with `{{ $labels.instance }}` and `{{ $value }}`. */
  summary: string;
  /** What to do, and where to look. */
  action: string;
  /** Page of hale's documentation. */
  docs: string;
}

/** Alerts that belong together. */
export interface AlertGroup {
  name: string;
  alerts: Alert[];
}
