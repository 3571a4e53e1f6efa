import type { BudgetReport } from '../../core/drill/budgets.ts';

/** Times are CLOCK_BOOTTIME in milliseconds, as those of faults. */
export interface BudgetWatchRecord extends BudgetReport {
  /** Of Pods and budgets that were seen. */
  events: number;
  /** How often the events between two looks were lost: what happened then is not known. */
  gaps: number;
}
