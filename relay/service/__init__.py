"""SessionService: what integrations ask about sessions, by SOAP, by plain HTTP and by JSON.

lookup says what is told, finder finds it; asmx (with soap, plain) and rest are the ways to ask.
"""
