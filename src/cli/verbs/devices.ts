import { runJob } from '../../compute/client.ts';
import { toJson } from '../json.ts';
import { textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const devices = defineVerb({
  name: 'devices',
  summary: 'the compute backends that work here, and why each other one does not',
  usage: '[--json]',
  description: `Starts each compute backend and checks its gradients against stored ones.

JSON: {"chosen", "devices": [{"name", "usable", "detail", "gpu", "reason", "selfTestMs"}]}; "chosen" is the
one that --backend auto takes, null where none works.`,
  paths: { least: 0, most: 0 },
  options: {},
  async run({ json }, terminal) {
    const result = await runJob(
      'devices',
      {},
      { signal: terminal.signal, onProgress: terminal.progress, onLog: terminal.log },
    );
    if (json) {
      terminal.print(toJson(result));
      return;
    }
    const rows = result.devices.map(({ name, usable, detail, reason, selfTestMs }) => [
      `${name === result.chosen ? '>' : ' '} ${name}`,
      usable ? 'works' : 'not usable',
      selfTestMs === undefined ? '' : `${Math.round(selfTestMs)} ms`,
      reason ?? detail,
    ]);
    terminal.print(
      textTable(
        [
          { title: '  backend' },
          { title: 'state' },
          { title: 'self-test', align: 'right' },
          { title: 'detail' },
        ],
        rows,
      ),
    );
  },
});
