// `npm start`: builds the extension and opens it on the digits example, in the VS Code that is there (`code` in PATH),
// else in a code-server of its own that a browser can open. The first time the example trains meanwhile, so that there
// is something to watch.
import { existsSync } from 'node:fs';
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
  const editor =
    code !== undefined
      ? must(code, [`--extensionDevelopmentPath=${root}`, example], process.env)
      : ensureCodeServer().then((codeServer) =>
          must('node', ['scripts/serve.ts', example], { ...environment, TWA_CODE_SERVER: codeServer }),
        );
  const training = existsSync(path.join(example, 'runs'))
    ? undefined
    : must('node', ['examples/digits/train.ts'], environment);
  await Promise.all([editor, training]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function must(command, args, env) {
  const { code } = await run(command, args, { cwd: root, env });
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[0]} ended with code ${code}.`);
}
