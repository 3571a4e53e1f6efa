/** Run inside a lab host: announces an address as this host's, as a misconfigured machine would. */
import { linkByName } from '../../src/drivers/linux/links.ts';
import { openNeighbors } from '../../src/drivers/linux/neighbors.ts';

const neighbors = openNeighbors(linkByName('eth0'), []);
neighbors.announce(process.argv[2] as string);
neighbors.close();
