import { listDevices } from '../backends/select.ts';
import type { DevicesResult } from '../protocol.ts';
import type { JobContext } from './context.ts';

export function devices(_request: Record<string, never>, { signal }: JobContext): Promise<DevicesResult> {
  return listDevices([process.cwd()], signal);
}
