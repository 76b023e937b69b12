import '../shared/base.css';
import './tensors.css';
import { connect, readStrings } from '../shared/editor.ts';
import { TensorsPage } from './page.ts';
import { type FromTensors, readToTensors, type TensorsState } from './protocol.ts';
import type { TensorsStrings } from './strings.ts';

const editor = connect<FromTensors, TensorsState>();
const page = new TensorsPage(document.getElementById('app')!, editor, readStrings() as TensorsStrings);
editor.listen(readToTensors, (message) => page.receive(message));
editor.send({ kind: 'ready' });
