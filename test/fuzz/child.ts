/** Runs cases one after another in a process of little memory, and says on standard output how each ended. */
import { writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { runCase } from './case.ts';
import { allSubjects } from './subjects.ts';
import type { Report } from './fuzz.ts';

const [seed, from, to, format, directory] = process.argv.slice(2) as [string, string, string, string, string];
const say = (report: Report): number => writeSync(1, `${JSON.stringify(report)}\n`);

const subjects = (await allSubjects()).filter((subject) => format === '' || subject.format === format);
say({ subjects: subjects.length });
for (let index = Number(from); index < Number(to) && subjects.length > 0; index++) {
  say({ starts: index });
  const own = join(directory, String(index));
  await mkdir(own, { recursive: true });
  const before = process.cpuUsage();
  let outcome;
  try {
    outcome = await runCase(subjects, Number(seed), index, own);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    outcome = { subject: '', what: '', result: 'defect', error: text };
  }
  const { user, system } = process.cpuUsage(before);
  const megabytes = process.resourceUsage().maxRSS / 1e3;
  say({ index, ...outcome, seconds: (user + system) / 1e6, megabytes });
  // What went wrong stays to be looked at.
  if (outcome.result !== 'defect') await rm(own, { recursive: true, force: true });
}
