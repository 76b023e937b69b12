// `node bench/curves-workbench.mjs [N]`: learning curves as a user meets them, with the packaged extension in a real
// workbench (code-server and headless Chromium): one CSV log with 10 series of N points (500,000 by default). From the
// command until the page is there, until all lines are drawn, until all points are there; then from a row that is
// written to the log until the page shows it.
import { runInWorkbench } from '../scripts/workbench/run.mjs';

await runInWorkbench('bench/curves-workbench/measure.ts');
