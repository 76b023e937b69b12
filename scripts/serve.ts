/** Serves VS Code with the extension of this folder on the folder given, until Ctrl-C. Part of `npm start`. */
import path from 'node:path';
import { startServer } from './workbench/server.ts';

const [folder = '.'] = process.argv.slice(2);
const server = await startServer({ links: [path.resolve(import.meta.dirname, '..')] });
console.log(`Open ${server.address(folder)} in a browser. Ctrl-C ends it.`);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    void server.stop().then(() => process.exit(0));
  });
}
