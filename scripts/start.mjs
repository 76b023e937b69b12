// `npm start`: builds the extension and opens it on the digits example, in the VS Code that is there (`code` in PATH),
// else in a code-server of its own that a browser can open.
import path from 'node:path';
import process from 'node:process';
import { run } from './processes.mjs';
import { ensureCodeServer, ensureDependencies, ensureNode, environmentWith, inPath, root } from './tools.mjs';

const example = path.join(root, 'examples', 'digits');

try {
  await ensureDependencies();
  const environment = environmentWith(await ensureNode());
  await must('node', ['scripts/build.mjs'], environment);
  const code = inPath(['code', 'code.cmd']);
  if (code !== undefined) {
    await must(code, [`--extensionDevelopmentPath=${root}`, example], process.env);
  } else {
    const codeServer = await ensureCodeServer();
    await must('node', ['scripts/serve.ts', example], { ...environment, TWA_CODE_SERVER: codeServer });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function must(command, args, env) {
  const { code } = await run(command, args, { cwd: root, env });
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} ended with code ${code}.`);
}
