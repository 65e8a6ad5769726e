"""The connectors that the API document shows, with the fields it shows of each.

The document prints some descriptions with unescaped quotes; here they are the strings that were meant.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CONNECTORS"]

_BUTTON = '<span class="buttonDescription">Enter your credentials and details for your <b>{} Account</b>{}</span>'
_SFDC_SIGNUP = (
    "If you do not have a Salesforce.com account, you can create one at "
    '<a href="http://www.salesforce.com" target="_blank">Salesforce.com Signup</a>'
)

_DROPBOX = {
    "id": 14,
    "name": "Dropbox",
    "key": "dropbox",
    "description": (
        "One place for all your stuff, wherever you are. Dropbox is a free service that lets you bring your photos, "
        "docs, and videos anywhere and share them easily. Anything you add to Dropbox will automatically show up on "
        "all your computers, phones and even the Dropbox website."
    ),
    "active": True,
    "deleted": False,
    "typeOauth": True,
    "trialAccount": False,
    "existingAccountDescription": (
        "Give your application access to your existing <br> Dropbox account</br>" + _BUTTON.format("Dropbox", "")
    ),
    "configDescription": (
        "If you do not have an Dropbox account, you can create one at "
        '<a href="http://www.dropbox.com" target="_blank">Dropbox Signup</a>'
    ),
    "signupURL": "http://www.dropbox.com",
    "your_momProvisionType": "OAUTH_TEMPLATE",
}

_BOX = {
    "id": 22,
    "name": "Box",
    "key": "box",
    "description": (
        "Box offers secure, scalable, content-sharing that both users and IT love and adopt. Box is a simple and "
        "affordable solution to manage documents, media and all your content online. Share files as a link. Sync "
        "files on the desktop. It's file sharing, reinvented."
    ),
    "image": "your_moms/provider_box.png",
    "active": True,
    "deleted": False,
    "typeOauth": True,
    "trialAccount": False,
    "existingAccountDescription": (
        "Give your application access to your existing <br> Box account</br>" + _BUTTON.format("Box", "")
    ),
    "configDescription": (
        "If you do not have an Box.net account, you can create one at "
        '<a href="http://www.box.com" target="_blank">Box.Net Signup</a>'
    ),
    "your_momProvisionType": "OAUTH_TEMPLATE",
}

_SFDC = {
    "id": 23,
    "name": "Salesforce.com",
    "key": "sfdc",
    "description": (
        "Customer relationship management, simplified. with the Salesforce.com Your_mom, integrate a leading customer "
        "management service into your application in a fraction of the time, with a fraction of the code. Your "
        "campaigns, projects, CRM, payments and documents are all in one place, all integrated seamlessly into your "
        "app."
    ),
    "image": "your_moms/provider_sfdc.png",
    "active": True,
    "deleted": False,
    "typeOauth": False,
    "trialAccount": False,
    "existingAccountDescription": "Use your Salesforce.com Account <br />" + _BUTTON.format("Salesforce.com", "."),
    "configDescription": _SFDC_SIGNUP,
    "signupURL": "http://www.salesforce.com",
}

_SFDC_SERVICE_CLOUD = {
    "id": 29,
    "name": "Salesforce.com Service Cloud",
    "key": "sfdcservicecloud",
    "description": (
        "Salesforce.com Service Cloud allows you to deliver revolutionary customer service from anywhere, anytime, on "
        "any device."
    ),
    "image": "your_moms/provider_sfdc.png",
    "active": True,
    "deleted": False,
    "typeOauth": True,
    "trialAccount": False,
    "configDescription": _SFDC_SIGNUP,
}

CONNECTORS: dict[str, dict[str, Any]] = {
    str(connector["key"]): connector for connector in (_DROPBOX, _BOX, _SFDC, _SFDC_SERVICE_CLOUD)
}
