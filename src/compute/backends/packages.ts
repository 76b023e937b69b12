/** Optional packages: in the user's project, or in our own directory where "Set Up GPU" put them. */
import { createRequire } from 'node:module';
import path from 'node:path';

export interface FoundPackage {
  readonly name: string;
  /** The folder of its package.json. */
  readonly folder: string;
  /** What `require` or `import` loads. */
  readonly file: string;
  readonly require: NodeJS.Require;
}

/** The nearest of that name, or undefined. Nothing of it is loaded. */
export function findPackage(roots: readonly string[], name: string): FoundPackage | undefined {
  for (const root of roots) {
    const require = createRequire(path.join(root, 'noop.js'));
    try {
      const file = require.resolve(name);
      const manifest = require.resolve.paths(name)?.map((folder) => path.join(folder, name, 'package.json'));
      const folder = manifest
        ?.map((each) => path.dirname(each))
        .find((each) => file.startsWith(each + path.sep));
      return { name, folder: folder ?? path.dirname(file), file, require };
    } catch {
      // Not under this root.
    }
  }
  return undefined;
}
