import { createInterface } from 'node:readline/promises';
import { ROUTES, type RouteName } from '../../compute/setup/home.ts';
import type { Plan, Route } from '../../compute/setup/plan.ts';
import type { DeviceReport } from '../../compute/protocol.ts';
import { toJson } from '../json.ts';
import { choice, text, UsageError } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { defineVerb } from '../verb.ts';

export const setupGpu = defineVerb({
  name: 'setup-gpu',
  summary: 'find the way to a GPU, or to a faster processor backend, and set it up',
  usage: '[--route ROUTE] [--yes] [--json]',
  description: `Looks for TensorFlow in the project and in your Python, for WebGPU and for what they need, says what was
found and what can be done, and does it where you agree. Everything is put into one directory, TWA_HOME,
else twa in your directory for caches, and stays only if a real gradient comes out right.

  wheel      builds @tensorflow/tfjs-node on the TensorFlow of your Python: CUDA, or the processor (Linux)
  webgpu     installs WebGPU: any GPU with a driver, no CUDA
  tfjs-node  downloads @tensorflow/tfjs-node with an older TensorFlow of its own: the processor

Nothing is downloaded or compiled without --yes, or a yes at the terminal.

JSON: {"found", "routes": [{"name", "title", "does", "gives", "blocked"}], "recommended", "done"}; "done" is
the backend as "twa devices" reports it, null where nothing was set up. With --remove: {"removed": [names]}.`,
  paths: { least: 0, most: 0 },
  options: {
    route: choice(ROUTES, 'take this one instead of the recommended one'),
    python: text('PYTHON', "interpreter, or the folder of its environment (default: as for PyTorch's)"),
    yes: { help: 'do it without asking' },
    remove: { help: 'take back what was set up: of --route, or all' },
  },
  async run({ values, json }, terminal) {
    if (values.remove === true) {
      await remove(values.route, json, terminal);
      return;
    }
    const { takeSurvey } = await import('../../compute/setup/survey.ts');
    const { planSetup } = await import('../../compute/setup/plan.ts');
    const { install } = await import('../../compute/setup/install.ts');
    terminal.note('Looking for TensorFlow, Python and graphics processors.');
    const survey = await takeSurvey({
      python: values.python,
      directory: process.cwd(),
      signal: terminal.signal,
      onLog: terminal.log,
    });
    const plan = planSetup(survey);
    const name = values.route ?? plan.recommended;
    const route = plan.routes.find((each) => each.name === name);
    if (!json) terminal.print(describe(plan, route));

    let done: DeviceReport | undefined;
    if (route !== undefined && (values.yes === true || (await agrees(route, json, terminal)))) {
      done = await install(route, survey, {
        signal: terminal.signal,
        onProgress: (_, message) => terminal.note(message),
        onLog: terminal.log,
      });
    }
    if (json) terminal.print(toJson({ ...plan, recommended: plan.recommended, done }));
    else if (done !== undefined) terminal.print(`Ready: ${done.name} (${done.detail}); see twa devices.`);
  },
});

async function remove(route: RouteName | undefined, json: boolean, terminal: Terminal): Promise<void> {
  const { uninstall } = await import('../../compute/setup/install.ts');
  const removed: RouteName[] = [];
  for (const each of route === undefined ? ROUTES : [route]) if (await uninstall(each)) removed.push(each);
  if (json) terminal.print(toJson({ removed }));
  else terminal.print(removed.length === 0 ? 'Nothing was set up.' : `Removed ${removed.join(', ')}.`);
}

function describe({ found, routes, recommended }: Plan, chosen: Route | undefined): string {
  const lines = ['Found:', ...found.map((sentence) => `  ${sentence}`), '', 'What can be done:'];
  for (const { name, title, does, gives, blocked } of routes) {
    lines.push(`  ${name}: ${title}`);
    for (const sentence of blocked === undefined ? [does, gives] : [`Not here: ${blocked}`])
      lines.push(`      ${sentence}`);
  }
  lines.push('');
  if (chosen !== undefined) lines.push(`Proposed: ${chosen.name}`);
  else if (recommended === undefined)
    lines.push('Nothing is proposed: it would not be faster than what works here.');
  return lines.join('\n');
}

/** A question at the terminal. Where nobody can answer, nothing is done, and the way to do it is said. */
async function agrees(route: Route, json: boolean, terminal: Terminal): Promise<boolean> {
  if (route.blocked !== undefined)
    throw new UsageError(`The route ${route.name} cannot be taken here: ${route.blocked}`);
  if (json || !process.stdin.isTTY) {
    terminal.note(`Nothing was installed: add --yes to take the route ${route.name}.`);
    return false;
  }
  const dialog = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await dialog.question(`Take the route ${route.name}? [y/N] `, { signal: terminal.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    dialog.close();
  }
}
