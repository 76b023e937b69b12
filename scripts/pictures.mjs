// `npm run pictures`: takes the pictures of the README again, from the packaged extension in a real workbench.
import { runInWorkbench } from './workbench/run.mjs';

await runInWorkbench('scripts/pictures.ts');
