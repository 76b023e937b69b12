/**
 * Training examples looked at, at most. The error of a mean over 8192 examples is 1 % of a standard deviation (less
 * for convolutions, which see many positions per example), and a pass recalibrates after every epoch.
 */
export const RECALIBRATION_EXAMPLES = 8192;
