import { listDevices, tryBackend } from '../backends/select.ts';
import type { DevicesRequest, DevicesResult } from '../protocol.ts';
import { packageRoots } from './backend.ts';
import type { JobContext } from './context.ts';

export async function devices({ only }: DevicesRequest, { signal }: JobContext): Promise<DevicesResult> {
  if (only === undefined) return await listDevices(packageRoots(process.cwd()), signal);
  const report = await tryBackend(only.backend, [only.directory]);
  return { chosen: report.usable ? report.name : undefined, devices: [report] };
}
