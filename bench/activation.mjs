// `node bench/activation.mjs [N]`: how long the extension takes to load and activate, as an installed .vsix in the real
// extension host, which is started anew each time (N times, 7 by default). The first start after an install has no
// compiled code in the host's cache; each start here is such a first one, the slowest a user meets.
import { runInWorkbench } from '../scripts/workbench/run.mjs';

await runInWorkbench('bench/activation/measure.ts');
