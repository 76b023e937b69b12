import type { PassProgress } from '../../core/averaging/types.ts';

/** What a job gets beside its request. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PassProgress) => void;
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
}
