import { stat } from 'node:fs/promises';
import path from 'node:path';

export const TASK_FILE_NAME = 'twa.json';

/** The twa.json that a checkpoint or run belongs to: the nearest one in its directory or a directory above. */
export async function findTask(from: string): Promise<string | undefined> {
  for (let directory = path.resolve(from); ; directory = path.dirname(directory)) {
    const candidate = path.join(directory, TASK_FILE_NAME);
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isFile() === true) return candidate;
    if (directory === path.dirname(directory)) return undefined;
  }
}
