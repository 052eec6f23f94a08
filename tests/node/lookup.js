// node lookup.js WSDL PORT PARAMETERS: calls the operation as the WSDL says, and prints the result,
// or what the fault says.

import { promisify } from "node:util";
import soap from "soap";

const [url, port, parameters] = process.argv.slice(2);
const forceSoap12Headers = port.endsWith("12");
const client = await soap.createClientAsync(url, { forceSoap12Headers });
const call = promisify(client.SessionService[port].LookupPartnerCobrowseSession);
try {
  const answer = await call(JSON.parse(parameters));
  console.log(JSON.stringify(answer.LookupPartnerCobrowseSessionResult));
} catch (error) {
  const fault = error.root.Envelope.Body.Fault;
  console.log(JSON.stringify({ fault: fault.faultstring ?? fault.Reason.Text }));
}
