/** A free name like that of a result. */
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { reportPathFor } from '../../core/averaging/report.ts';
import { hasCode } from '../../core/checkpoints/files.ts';

/** `twa-v4-3.safetensors` after `twa-v4-1.safetensors`, where there is a second one: checkpoint and report are new. */
export async function nextName(output: string): Promise<string> {
  const [, stem = '', number, ending = ''] =
    /^(.*?)(?:-(\d+))?(\.[^/\\]*)?$/.exec(path.basename(output)) ?? [];
  for (let next = Number(number ?? 1) + 1; ; next++) {
    const candidate = path.join(path.dirname(output), `${stem}-${next}${ending}`);
    if (!(await exists(candidate)) && !(await exists(reportPathFor(candidate, false)))) return candidate;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
