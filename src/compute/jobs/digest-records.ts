/** Where digests of checkpoints are remembered between jobs: the system's place for what can be computed again. */
import { homedir } from 'node:os';
import { join } from 'node:path';

import { DigestRecords } from '../../core/checkpoints/digests.ts';

/**
 * `TWA_CACHE` names another directory; empty, nothing is remembered. Given as the part of a merge request that it is.
 */
export function digestRecords(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): { readonly digests?: DigestRecords } {
  const directory = environment['TWA_CACHE'] ?? join(cacheHome(environment, platform), 'twa');
  return directory === '' ? {} : { digests: new DigestRecords(join(directory, 'digests.json')) };
}

function cacheHome(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  const own = environment[platform === 'win32' ? 'LOCALAPPDATA' : 'XDG_CACHE_HOME'];
  if (own !== undefined) return own;
  if (platform === 'win32') return join(homedir(), 'AppData', 'Local');
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
